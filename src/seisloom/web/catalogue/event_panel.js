// One event: where and when, how sure, its record section, its picks. Without one, the catalogue as a whole.
import { address, choose, clock, percent, store, zoom } from "catalogue_store";
import report from "catalogue_report";

const PAUSE_MS = 1200;
// Words for the probability that an event is false, up to a limit.
const DOUBT = [[0.001, "Beyond doubt"], [0.01, "Hardly in doubt"], [0.1, "Probably an earthquake"], [0.5, "Doubtful"], [1, "Probably false"]];

function number(value, digits, unit = "") {
  if (value == null) return "–";
  const text = value.toFixed(digits);
  return (Number(text) === 0 ? text.replace("-", "") : text) + unit;
}
const angle = (value, letters) => `${Math.abs(value).toFixed(4)}° ${letters[Number(value < 0)]}`;

export default {
  components: { report },
  data: () => ({ store, failed: false, loaded: false, timeline: "" }),
  computed: {
    whole: () => (store.count ? address("catalogue/figures/timeline.svg", { ...store.filters, run: store.run, n: store.count }) : ""),
    detail: () => store.detail,
    event: () => store.detail?.event,
    facts() {
      const e = this.event;
      const major = number(e.horizontal_uncertainty_km, 2);
      const stations = e.n_magnitude === 1 ? "1 station" : `${e.n_magnitude} stations`;
      return [
        ...(e.magnitude == null ? [] : [["Magnitude", `${e.magnitude_type} ${number(e.magnitude, 1)} ± ${number(e.magnitude_uncertainty, 1)}, ${stations}`]]),
        ["Latitude", angle(e.latitude, "NS")],
        ["Longitude", angle((((e.longitude + 180) % 360) + 360) % 360 - 180, "EW")],
        ["Depth", `${number(e.depth_km, 1)} ± ${number(e.depth_uncertainty_km, 1, " km")}`],
        ["Epicentre, 68 %", `± ${major} × ${number(e.ellipse_minor_km, 2, " km")}, N${number(e.ellipse_azimuth_deg, 0)}°E`],
        ["Origin time", `± ${number(e.time_uncertainty_s, 2, " s")}`],
        ["Misfit", number(e.rms_s, 2, " s")],
        ["Picks", `${e.n_picks ?? "–"} (${e.n_p ?? "–"} P, ${e.n_s ?? "–"} S) at ${e.n_stations ?? "–"} stations`],
        ["Gap", number(e.gap_deg, 0, "°")],
        ["Nearest station", number(e.nearest_station_km, 1, " km")],
        ...(e.evidence == null ? [] : [["Evidence", number(e.evidence, 1), "logarithm of the likelihood ratio against chance"]]),
      ];
    },
    doubt() {
      const q = this.event.false_probability;
      return q == null ? null : { words: DOUBT.find(([limit]) => q <= limit)[1], share: percent(q), doubtful: q > 0.1 };
    },
    // Channels that should have picked it, by station.
    missing() {
      const stations = new Map();
      for (const channel of (this.event.missing || "").split("; ").filter(Boolean)) {
        const [station, phase] = channel.split(" ");
        stations.set(station, [...(stations.get(station) ?? []), phase]);
      }
      return [...stations].map(([station, phases]) => ({ station, phases }));
    },
    nMissing() {
      return this.missing.reduce((sum, { phases }) => sum + phases.length, 0);
    },
    // Columns of the picks that have something in them.
    has() {
      const known = (name) => this.detail.picks.some((pick) => pick[name] !== null);
      return { posterior: known("posterior"), probability: known("probability"), magnitude: known("station_magnitude") };
    },
    widest() {
      return Math.max(0.1, ...this.detail.picks.map((pick) => Math.abs(pick.residual_s ?? 0)));
    },
  },
  watch: {
    // Drawn when the filters have come to rest.
    whole: {
      immediate: true,
      handler(now) {
        clearTimeout(this.timer);
        if (!now) this.timeline = "";
        else this.timer = setTimeout(() => (this.timeline = now), store.number === null && !this.timeline ? 0 : PAUSE_MS);
      },
    },
    detail() {
      this.failed = this.loaded = false;
    },
  },
  mounted() {
    this.keys = (pressed) => {
      if (store.number === null || pressed.target.closest("input, textarea, [role=dialog], .q-menu")) return;
      if (pressed.key === "Escape") choose(null);
    };
    document.addEventListener("keydown", this.keys);
  },
  unmounted() {
    document.removeEventListener("keydown", this.keys);
  },
  methods: {
    choose,
    clock,
    number,
    zoom,
    section(form) {
      return address(`events/${this.event.event_id}/section.${form}`, { run: store.run });
    },
    bar(pick) {
      const share = (50 * (pick.residual_s ?? 0)) / this.widest;
      return { left: `${50 + Math.min(share, 0)}%`, width: `${Math.abs(share)}%` };
    },
  },
  template: `
    <section v-if="detail" class="sl-panel ct-event" aria-label="Event">
      <header>
        <h2 class="sl-title">Event {{ event.event_id }}</h2>
        <span class="ct-quality" :title="'Quality ' + event.quality + ' (A is best)'">{{ event.quality }}</span>
        <span v-if="detail.preliminary" class="ct-chip">preliminary</span>
        <span class="ct-space"></span>
        <q-btn flat dense round icon="center_focus_strong" aria-label="Zoom to the event" title="Zoom to the event" @click="zoom()" />
        <q-btn flat dense round icon="chevron_left" aria-label="Event before" :disable="detail.previous === null" @click="choose(detail.previous)" />
        <q-btn flat dense round icon="chevron_right" aria-label="Next event" :disable="detail.next === null" @click="choose(detail.next)" />
        <q-btn flat dense round icon="close" aria-label="Close" @click="choose(null)" />
      </header>
      <p class="ct-time">{{ clock(event.time) }} UTC</p>
      <p v-if="doubt" class="ct-doubt" :class="{ 'ct-flags': doubt.doubtful }"><b>{{ doubt.words }}</b>: false with a probability of {{ doubt.share }}</p>
      <dl class="ct-facts"><div v-for="[name, value, hint] in facts" :key="name" :title="hint"><dt>{{ name }}</dt><dd>{{ value }}</dd></div></dl>
      <p v-if="event.flags" class="ct-flags"><q-icon name="warning" aria-hidden="true" /> {{ event.flags }}</p>
      <p v-if="detail.preliminary" class="sl-muted">Picks and record section come with the final catalogue.</p>
      <template v-else>
        <a class="ct-figure" :class="{ 'ct-waits': !loaded && !failed }" :href="section('svg')" target="_blank" title="Open the record section">
          <img v-if="!failed" :src="section('svg')" :alt="'Record section of event ' + event.event_id" @load="loaded = true" @error="failed = true">
          <span v-else class="sl-muted">The record section cannot be drawn.</span></a>
        <p class="ct-links sl-muted">Record section <a v-for="form in ['png', 'svg', 'pdf']" :key="form" :href="section(form)"
          :download="'event-' + event.event_id + '.' + form">{{ form.toUpperCase() }}</a></p>
        <details v-if="nMissing" class="ct-missing"><summary>{{ nMissing === 1 ? 'A pick is missing that was' : nMissing + ' picks are missing that were' }} expected</summary>
          <p class="sl-muted">These pick most events as near as this one.</p>
          <ul><li v-for="{ station, phases } in missing" :key="station">{{ station }} <span v-for="phase in phases" :key="phase"
            :class="'ct-phase ct-' + phase">{{ phase }} </span></li></ul></details>
        <div class="ct-picks" tabindex="0" role="region" aria-label="Picks"><table>
          <thead><tr><th>Station</th><th><span class="sl-unseen">Phase</span></th><th class="ct-right" title="distance from the epicentre">km</th>
            <th class="ct-right" title="azimuth at the epicentre towards the station">Az, °</th><th>UTC</th>
            <th class="ct-right" colspan="2" title="observed minus predicted">Residual, s</th>
            <th class="ct-right" title="weight in the location">Wt.</th>
            <th v-if="has.posterior" class="ct-right" title="posterior probability that the pick is of this event">Post.</th>
            <th v-if="has.probability" class="ct-right" title="probability, of the picker">Prob.</th>
            <th v-if="has.magnitude" class="ct-right" title="magnitude at the station">Mag.</th></tr></thead>
          <tbody><tr v-for="pick in detail.picks" :key="pick.pick_index" :class="{ 'ct-unused': pick.weight === 0 }"
            :title="'predicted ' + (pick.predicted ? clock(pick.predicted) : '–')">
            <td>{{ pick.station }}</td><td><span :class="'ct-phase ct-' + pick.phase">{{ pick.phase }}</span>
              <span v-if="pick.labelled !== pick.phase" class="sl-muted" :title="'picked as ' + pick.labelled + ', which it cannot be'">({{ pick.labelled }})</span></td>
            <td class="ct-right">{{ number(pick.distance_km, 1) }}</td><td class="ct-right">{{ number(pick.azimuth_deg, 0) }}</td>
            <td>{{ pick.time.slice(11, 22) }}</td><td class="ct-right">{{ number(pick.residual_s, 2) }}</td>
            <td aria-hidden="true"><span class="ct-residual"><span :class="'ct-' + pick.phase" :style="bar(pick)"></span></span></td>
            <td class="ct-right">{{ number(pick.weight, 2) }}</td>
            <td v-if="has.posterior" class="ct-right">{{ number(pick.posterior, 2) }}</td>
            <td v-if="has.probability" class="ct-right">{{ number(pick.probability, 2) }}</td>
            <td v-if="has.magnitude" class="ct-right">{{ number(pick.station_magnitude, 1) }}</td></tr></tbody>
        </table></div>
      </template>
    </section>
    <section v-else-if="store.job" class="sl-panel ct-event" aria-label="Catalogue">
      <report />
      <figure v-if="timeline" class="ct-figure"><img :src="timeline" alt="Time line of the events"></figure>
      <p class="sl-muted">{{ store.total ? 'Choose an event on the map or in the table to see its picks.' : '' }}</p>
    </section>`,
};
