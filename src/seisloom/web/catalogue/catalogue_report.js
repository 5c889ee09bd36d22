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
      const rows = Object.entries(this.report.fates).reverse();
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
    // What the picks have taught: words and number.
    learned() {
      const l = this.report.learned;
      if (!l) return [];
      const places = l.seismicity;
      const share = (part) => `${(100 * part).toFixed(1)} %`;
      return [
        ["Error of P picks", `${l.sigma_s.P.toFixed(2)} s`],
        ["Error of S picks", `${l.sigma_s.S.toFixed(2)} s`],
        ["Error of travel times", share(l.model_error)],
        ["Outliers among the picks of events", share(l.outlier_share)],
        ["Wrong labels", share(l.wrong_label_share)],
        ...(places?.events ? [["Events in the densest place over the emptiest", (places.most / places.least).toPrecision(2)]] : []),
        ["Spacing of the search", `${l.grid_spacing_km.toFixed(1)} km`],
        ["Evidence that an event needs", l.needed_evidence.toFixed(1)],
        ["False events to expect a day", String(Number(l.false_events_per_day_above_needed.toPrecision(2)))],
      ];
    },
    stations() {
      const own = Object.entries(this.report.learned?.stations ?? {});
      return own.map(([name, { delay_s, detection }]) => ({ name, delay_s, detection }));
    },
    silent() {
      return this.report.learned?.silent_stations ?? [];
    },
    magnitudes() {
      const m = this.report.magnitudes;
      if (!m) return "";
      const far = m.too_far ? `; ${count(m.too_far)} amplitudes were too far away` : "";
      const scatter = m.scatter === null ? "" : `, scatter ${m.scatter.toFixed(2)}`;
      return `${m.type} of ${count(m.events)} events from ${count(m.readings)} station magnitudes${scatter}${far}. ${m.source}.`;
    },
    unknown() {
      return this.report.unknown.map(([station, n, reason]) => `${station}: ${count(n)} picks, ${reason}`);
    },
  },
  methods: { address, count, signed: (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2) },
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
      <details v-if="learned.length" open><summary>Learned from the picks</summary>
        <dl class="ct-learned"><div v-for="[name, value] in learned" :key="name"><dt>{{ name }}</dt><dd>{{ value }}</dd></div></dl></details>
      <details v-if="stations.length"><summary>Delay and detection of {{ count(stations.length) }} stations</summary>
        <div class="ct-picks ct-stations" tabindex="0" role="region" aria-label="Stations"><table>
          <thead><tr><th>Station</th><th class="ct-right" title="arrivals come later than predicted">Delay P, s</th><th class="ct-right">Delay S, s</th>
            <th class="ct-right" title="share of near events whose P it picks">Picks P</th><th class="ct-right" title="share of near events whose S it picks">Picks S</th></tr></thead>
          <tbody><tr v-for="{ name, delay_s, detection } in stations" :key="name"><td>{{ name }}</td>
            <td v-for="phase in ['P', 'S']" :key="phase" class="ct-right">{{ signed(delay_s[phase]) }}</td>
            <td v-for="phase in ['P', 'S']" :key="'picks ' + phase" class="ct-right">{{ (100 * detection[phase]).toFixed(0) }} %</td></tr></tbody></table></div></details>
      <p v-if="silent.length" class="ct-note">{{ silent.length === 1 ? 'A station has' : count(silent.length) + ' stations have' }} no picks, and {{
        silent.length === 1 ? 'counts' : 'count' }} for nothing: {{ silent.slice(0, 20).join(', ') }}{{ silent.length > 20 ? ', …' : '' }}</p>
      <p v-if="magnitudes">{{ magnitudes }}</p>
      <p v-for="note in report.warnings" :key="note" class="ct-note">{{ note }}</p>
      <a :href="address('catalogue/report.txt', {})" download>Report as text</a>
    </div>
    <p v-else-if="store.overview" class="sl-muted">{{ store.total ? 'These events are preliminary: they come from the part of the picks that is linked so far. The catalogue will replace them.' : 'What became of the picks is told here when the job is done.' }}</p>`,
};
