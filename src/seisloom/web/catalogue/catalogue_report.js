// What became of the picks, in words.
import { address, store } from "catalogue_store";

const count = (n) => n.toLocaleString("en");
const KEPT = "used";

export default {
  data: () => ({ store }),
  computed: {
    report: () => store.overview?.report,
    all() {
      return Object.values(this.report.fates).reduce((sum, n) => sum + n, 0);
    },
    fates() {
      const words = (name) => (name === KEPT ? "belong to an event" : name.replace("left: ", ""));
      const rows = Object.entries(this.report.fates).sort(([a], [b]) => (b === KEPT) - (a === KEPT));
      return rows.map(([name, n]) => ({ words: words(name), n, share: this.all ? n / this.all : 0, used: name === KEPT }));
    },
    head() {
      const letters = Object.entries(this.report.qualities).filter(([, n]) => n).map(([letter, n]) => `${count(n)} ${letter}`);
      const misfit = this.report.rms_s === null ? "" : `; median misfit ${this.report.rms_s.toFixed(2)} s`;
      const events = this.report.events;
      return events ? `${count(events)} ${events === 1 ? "event" : "events"}: quality ${letters.join(", ")}${misfit}.` : "No event was found.";
    },
    read() {
      const picks = this.report.picks;
      if (!picks) return "";
      const others = Object.entries(picks.other_phases).map(([name, n]) => `${count(n)} ${name || "without phase"}`);
      const left = [
        [others.length, `other phases (${others.slice(0, 5).join(", ")})`],
        [picks.rejected, `${count(picks.rejected)} rejected by an analyst`],
        [picks.below_probability, `${count(picks.below_probability)} below the least probability`],
        [picks.below_duration, `${count(picks.below_duration)} below the least duration`],
        [picks.duplicates, `${count(picks.duplicates)} said twice`],
        [picks.without_zone, `${count(picks.without_zone)} times without a zone were taken as UTC`],
      ];
      const words = left.filter(([n]) => n).map(([, text]) => text);
      return `${count(picks.kept)} of ${count(picks.read)} picks of the file were read${words.length ? `; ${words.join("; ")}` : ""}.`;
    },
    unknown() {
      return this.report.unknown.map(([station, n, reason]) => `${station}: ${count(n)} picks, ${reason}`);
    },
  },
  methods: { address, count },
  template: `
    <div v-if="report" class="ct-report">
      <h2 class="sl-title">What became of the picks</h2>
      <p>{{ head }}</p>
      <ul class="ct-fates"><li v-for="fate in fates" :key="fate.words" :class="{ 'ct-used': fate.used }">
        <b>{{ count(fate.n) }}</b><span class="sl-muted">{{ (100 * fate.share).toFixed(0) }} %</span><span>{{ fate.words }}</span>
        <span class="ct-share" aria-hidden="true"><span :style="{ width: 100 * fate.share + '%' }"></span></span></li></ul>
      <p class="sl-muted">{{ read }}</p>
      <details v-if="unknown.length" open><summary>{{ unknown.length === 1 ? 'A station is' : count(unknown.length) + ' stations are' }} not in the list</summary>
        <ul class="ct-unknown" tabindex="0"><li v-for="line in unknown" :key="line">{{ line }}</li></ul></details>
      <p v-for="note in report.warnings" :key="note" class="ct-note">{{ note }}</p>
      <a :href="address('catalogue/report.txt', {})" download>Report as text</a>
    </div>
    <p v-else-if="store.overview" class="sl-muted">{{ store.total ? 'These events are preliminary: they come from the part of the picks that is linked so far. The catalogue will replace them.' : 'What became of the picks is told here when the job is done.' }}</p>`,
};
