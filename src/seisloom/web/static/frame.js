// What all pages share in the browser: light or dark, how many jobs run, and the notice that the connection is back.
// Loaded before anything is drawn, so that a dark page does not begin white.
const seisloom = (() => {
  const POLL_MS = 5000;
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => /(?:^|; )seisloom_theme=(dark|light)/.exec(document.cookie)?.[1];
  const isDark = () => (chosen() ? chosen() === "dark" : system.matches);
  const paint = () => root.classList.toggle("sl-dark", isDark());
  paint();
  system.addEventListener("change", paint);

  function switchTheme() {
    const theme = isDark() ? "light" : "dark";
    document.cookie = `seisloom_theme=${theme}; path=/; max-age=31536000; samesite=lax`;
    paint();
    setDark(theme === "dark"); // of NiceGUI
  }

  async function count() {
    if (document.hidden || !document.querySelector(".sl-count")) return;
    const answer = await fetch("api/jobs?state=running").catch(() => null);
    const jobs = answer?.ok ? await answer.json() : [];
    for (const badge of document.querySelectorAll(".sl-count")) {
      const number = jobs.filter((job) => job.kind === badge.dataset.kind).length;
      const words = number ? `${number} job${number === 1 ? " runs" : "s run"}` : "";
      if (badge.title === words) continue;
      badge.title = words;
      badge.innerHTML = number ? `<span aria-hidden="true">${number}</span><span class="sl-unseen">${words}</span>` : "";
    }
  }

  // NiceGUI shows and hides its own notice of a lost connection.
  function watchConnection() {
    const lost = document.getElementById("popup");
    let since = 0;
    new MutationObserver(() => {
      if (lost.ariaHidden === "false") since ||= Date.now();
      else if (since) {
        if (Date.now() - since > 2000) Quasar.Notify.create({ message: "Connected again", icon: "wifi", timeout: 2500 });
        since = 0;
      }
    }).observe(lost, { attributes: true, attributeFilter: ["aria-hidden"] });
    lost.setAttribute("role", "status");
  }

  addEventListener("load", () => {
    watchConnection();
    setTimeout(count, 300);
    setInterval(count, POLL_MS);
    document.addEventListener("visibilitychange", count);
  });
  return { switchTheme };
})();
