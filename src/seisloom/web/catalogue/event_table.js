// The events as a table, with the filters and the downloads, which act on the map as well.
import * as AgGrid from "nicegui-aggrid";
import { watch } from "vue";
import { address, choose, clearFilters, clock, filter, open, percent, store } from "catalogue_store";
import { fixed, tableLook } from "table_look";

const numeric = { type: "rightAligned" };
const COLUMNS = [
  { field: "event_id", headerName: "Event", width: 78, ...numeric },
  { field: "time", headerName: "Origin time, UTC", width: 170, valueFormatter: ({ value }) => clock(value) },
  { field: "latitude", headerName: "Latitude", headerTooltip: "degrees", width: 92, valueFormatter: fixed(4), ...numeric },
  { field: "longitude", headerName: "Longitude", headerTooltip: "degrees", width: 100, valueFormatter: fixed(4), ...numeric },
  { field: "depth_km", headerName: "Depth, km", headerTooltip: "below sea level", width: 96, valueFormatter: fixed(1), ...numeric },
  { field: "magnitude", headerName: "Magnitude", width: 98, valueFormatter: fixed(1), known: true, ...numeric },
  { field: "n_picks", headerName: "Picks", width: 68, ...numeric },
  { field: "n_p", headerName: "P", width: 52, ...numeric },
  { field: "n_s", headerName: "S", width: 52, ...numeric },
  { field: "quality", headerName: "Quality", headerTooltip: "A is best", width: 84 },
  { field: "false_probability", headerName: "False", headerTooltip: "probability that it is no earthquake", width: 92, known: true,
    valueFormatter: ({ value }) => (value == null ? "–" : percent(value)), ...numeric },
  { field: "rms_s", headerName: "Misfit, s", headerTooltip: "root mean square of the residuals", width: 92, valueFormatter: fixed(2), ...numeric },
  { field: "gap_deg", headerName: "Gap, °", headerTooltip: "largest azimuthal gap", width: 80, valueFormatter: fixed(0), ...numeric },
  { field: "nearest_station_km", headerName: "Nearest, km", headerTooltip: "nearest station", width: 106, valueFormatter: fixed(1), ...numeric },
  { field: "horizontal_uncertainty_km", headerName: "± Place, km", headerTooltip: "longer half axis of the 68 % ellipse", width: 106, valueFormatter: fixed(2), ...numeric },
  { field: "depth_uncertainty_km", headerName: "± Depth, km", headerTooltip: "standard error", width: 108, valueFormatter: fixed(2), ...numeric },
  { field: "flags", headerName: "Flags", width: 220 },
];
// Some columns are there only where something is known of them.
const columns = () => COLUMNS.filter(({ field, known }) => !known || store.ranges?.[field]).map(({ known, ...column }) => column);
const DOWNLOADS = [
  ["events.csv", "Events", "CSV"],
  ["assignments.csv", "Their picks", "CSV"],
  ["catalog.xml", "QuakeML", "1.2"],
  ["observations.obs", "NonLinLoc observations", "OBS"],
  ["hypoinverse.arc", "HypoInverse", "Y2000"],
  ["catalogue.zip", "Everything", "ZIP"],
];
const FIGURES = [["seismicity", "Map with sections"], ["timeline", "Time line"], ["depth", "Depth section"]];
const DOUBTS = ["0.1", "0.01", "0.001"];
const PAUSE_MS = 350; // after the last key

export default {
  props: { label: String },
  data: () => ({ store, DOWNLOADS, FIGURES, FORMS: ["png", "svg", "pdf"], typed: {} }),
  computed: {
    filtered: () => Object.keys(store.filters).length > 0,
    count() {
      const { count, total, preliminary } = store;
      if (!store.job || !store.columns || !store.total) return "";
      const words = count === total ? `${total.toLocaleString("en")} events` : `${count.toLocaleString("en")} of ${total.toLocaleString("en")} events`;
      return preliminary && total ? `${words}, preliminary` : words;
    },
    empty() {
      if (store.fault) return store.fault;
      if (!store.columns) return "Loading …";
      if (!store.total) return store.preliminary ? "No events yet." : "No event was found. Fewer picks an event, or a larger region, may help.";
      return store.count ? "" : "No event fits the filters.";
    },
    doubts() {
      const asked = this.typed.max_false;
      return DOUBTS.includes(asked) || !asked ? DOUBTS : [...DOUBTS, asked];
    },
    hints: () => ({
      start: store.ranges ? store.ranges.time[0].slice(0, 16).replace("T", " ") : "2020-01-01 00:00",
      end: store.ranges ? store.ranges.time[1].slice(0, 16).replace("T", " ") : "2020-01-02 00:00",
      min_depth: store.ranges ? store.ranges.depth_km[0].toFixed(0) : "0",
      max_depth: store.ranges ? store.ranges.depth_km[1].toFixed(0) : "30",
      min_picks: store.ranges ? String(store.ranges.n_picks[0]) : "8",
      min_magnitude: store.ranges?.magnitude?.[0].toFixed(1),
    }),
  },
  mounted() {
    this.typed = { ...store.filters };
    this.pending = {}; // typed, and not yet asked for
    this.makeGrid();
    // After the map: the browser comes to breath in between when there are very many.
    watch(() => store.version, () => setTimeout(this.fill), { immediate: true });
    watch(() => store.filters, (now) => (this.typed = { ...now, ...this.pending }));
    watch(() => store.number, this.reveal);
    watch(() => store.pointed, (now, before) => this.light([now, before]));
  },
  unmounted() {
    this.grid.destroy();
  },
  methods: {
    address,
    clearFilters,
    filter,
    open,
    percent,
    makeGrid() {
      this.grid = AgGrid.createGrid(this.$refs.grid, {
        ...tableLook(AgGrid),
        columnDefs: columns(),
        defaultColDef: { suppressHeaderMenuButton: true, suppressMovable: true },
        rowData: [],
        getRowId: ({ data }) => String(data.event_id),
        rowClassRules: {
          "sl-row-lit": ({ data }) => data.event_id === store.pointed,
          "ct-row-open": ({ data }) => data.event_id === store.number,
        },
        suppressNoRowsOverlay: true,
        onCellMouseOver: ({ data }) => (store.pointed = data.event_id),
        onCellMouseOut: () => (store.pointed = null),
        onCellFocused: ({ api, rowIndex }) => {
          const row = api.getDisplayedRowAtIndex(rowIndex);
          if (row && this.$el.matches(":focus-within")) store.pointed = row.data.event_id;
        },
        onRowClicked: ({ data }) => choose(data.event_id),
        onCellKeyDown: ({ event, data }) => event.key === "Enter" && choose(data.event_id),
      });
    },
    fill() {
      const values = store.columns ?? { event_id: [] };
      const names = Object.keys(values);
      const rows = values.event_id.map((_, i) => {
        const row = {};
        for (const name of names) row[name] = values[name][i];
        return row;
      });
      const shown = columns();
      if (this.grid.getColumns()?.length !== shown.length) this.grid.setGridOption("columnDefs", shown);
      this.grid.setGridOption("rowData", rows);
    },
    // In place: a row that is drawn anew would lose the focus.
    light(numbers) {
      for (const number of numbers.filter((each) => each !== null)) {
        for (const row of this.$refs.grid.querySelectorAll(`[row-id="${number}"]`)) {
          row.classList.toggle("sl-row-lit", number === store.pointed);
          row.classList.toggle("ct-row-open", number === store.number);
        }
      }
    },
    reveal(now, before) {
      this.light([now, before]);
      const row = now === null ? null : this.grid.getRowNode(String(now));
      if (row) this.grid.ensureNodeVisible(row);
    },
    type(name, value) {
      this.typed[name] = this.pending[name] = value;
      clearTimeout(this.timer);
      this.timer = setTimeout(() => {
        filter(this.pending);
        this.pending = {};
      }, PAUSE_MS);
    },
    letter(letter) {
      const now = this.typed.quality || "ABCD";
      const next = now.includes(letter) ? now.replace(letter, "") : [...now, letter].sort().join("");
      if (next) filter({ quality: next === "ABCD" ? "" : next });
    },
    shows(letter) {
      return (this.typed.quality || "ABCD").includes(letter);
    },
  },
  template: `
    <section class="ct-table" :aria-label="label">
      <div class="sl-table-bar">
        <span class="sl-title">Events</span><span class="sl-muted ct-count" role="status">{{ count }}</span><span class="ct-space"></span>
        <q-btn v-if="filtered" flat dense no-caps icon="filter_alt_off" label="All events" @click="clearFilters" />
        <q-btn unelevated dense no-caps color="primary" icon="download" label="Download" class="ct-download" :disable="!store.count">
          <q-menu anchor="bottom right" self="top right"><q-list dense class="ct-menu">
            <q-item-label header>{{ filtered ? 'The ' + store.count.toLocaleString('en') + ' events shown' : 'All events' }}</q-item-label>
            <q-item v-for="[file, name, form] in DOWNLOADS" :key="file" clickable tag="a" :href="address('catalogue/' + file)" download
              :disable="store.preliminary && file !== 'events.csv'" v-close-popup>
              <q-item-section>{{ name }}</q-item-section><q-item-section side>{{ form }}</q-item-section></q-item>
            <q-separator />
            <q-item-label header>Figures</q-item-label>
            <q-item v-for="[figure, name] in FIGURES" :key="figure"><q-item-section>{{ name }}</q-item-section>
              <q-item-section side><span class="ct-forms"><a v-for="form in FORMS" :key="form" target="_blank"
                :href="address('catalogue/figures/' + figure + '.' + form)" :aria-label="name + ', ' + form.toUpperCase()">{{ form.toUpperCase() }}</a></span></q-item-section></q-item>
          </q-list></q-menu></q-btn>
      </div>
      <div class="ct-filters" role="search" aria-label="Filters">
        <label>From <input :value="typed.start" :placeholder="hints.start" size="16" maxlength="32" @input="type('start', $event.target.value)"></label>
        <label>To <input :value="typed.end" :placeholder="hints.end" size="16" maxlength="32" @input="type('end', $event.target.value)"></label>
        <label>Depth <input :value="typed.min_depth" :placeholder="hints.min_depth" size="4" maxlength="8" inputmode="decimal" aria-label="Least depth, km" @input="type('min_depth', $event.target.value)"></label>
        <label>to <input :value="typed.max_depth" :placeholder="hints.max_depth" size="4" maxlength="8" inputmode="decimal" aria-label="Largest depth, km" @input="type('max_depth', $event.target.value)"> km</label>
        <label>Picks ≥ <input :value="typed.min_picks" :placeholder="hints.min_picks" size="3" maxlength="6" inputmode="numeric" aria-label="Fewest picks" @input="type('min_picks', $event.target.value)"></label>
        <label v-if="store.ranges?.magnitude">Magnitude ≥ <input :value="typed.min_magnitude" :placeholder="hints.min_magnitude" size="3" maxlength="6" inputmode="decimal" aria-label="Least magnitude" @input="type('min_magnitude', $event.target.value)"></label>
        <label v-if="store.ranges?.false_probability">False <select :value="typed.max_false ?? ''" aria-label="Largest probability that an event is false" @change="filter({ max_false: $event.target.value })">
          <option value="">any</option><option v-for="q in doubts" :key="q" :value="q">≤ {{ percent(q) }}</option></select></label>
        <span class="ct-letters" role="group" aria-label="Quality">Quality
          <button v-for="q in 'ABCD'" :key="q" type="button" :aria-pressed="String(shows(q))" @click="letter(q)">{{ q }}</button></span>
        <button v-if="store.filters.box" type="button" class="ct-chip" title="Show all places" @click="type('box', '')">in the rectangle ✕</button>
      </div>
      <p v-if="store.fault && store.columns" class="ct-fault" role="alert">{{ store.fault }}</p>
      <div class="sl-table-frame"><div class="sl-table" ref="grid"></div>
        <div v-if="empty" class="sl-empty sl-table-empty ct-empty">{{ empty }}</div></div>
    </section>`,
};
