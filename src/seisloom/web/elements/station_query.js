import { actionsOf, availabilityBars, stationContent } from "station_popup";

const LAYER = "stations";
const KEPT = "seisloom.table"; // check marks, filters and order of the query that was run last in this tab

// Rows of {name: [values]}; a key tells epochs of one channel apart.
function rowsOf(columns) {
  const names = Object.keys(columns);
  const rows = columns.id.map((id, i) => {
    const row = { key: `${id}|${columns.start[i] ?? ""}` };
    for (const name of names) row[name] = columns[name][i];
    return row;
  });
  const seen = new Map();
  for (const row of rows) {
    const times = seen.get(row.key) ?? 0;
    seen.set(row.key, times + 1);
    if (times) row.key += `|${times}`;
  }
  return rows;
}

export default {
  template: "<div hidden></div>",
  props: { map: Number, table: Number },
  created() {
    this.stations = new Map(); // NET.STA: its rows
    this.marked = new Set(); // stations with checked channels
    // Another tab may have saved or cleared meanwhile.
    this.back = () => document.visibilityState === "visible" && this.$emit("return");
    for (const event of ["focus", "visibilitychange"]) window.addEventListener(event, this.back);
  },
  unmounted() {
    for (const event of ["focus", "visibilitychange"]) window.removeEventListener(event, this.back);
    this.asked?.abort();
  },
  methods: {
    // ``lead``: on a small screen, move on to what was found.
    async run(parameters, lead) {
      this.asked?.abort();
      const asked = (this.asked = new AbortController());
      this.$emit("state", { state: "asking" });
      performance.mark("query-asked");
      const address = new URLSearchParams({ ...parameters, form: "columns" });
      try {
        const answer = await fetch(`${window.path_prefix}/api/channels?${address}`, { signal: asked.signal });
        const body = await answer.json();
        if (answer.ok) {
          await this.show(rowsOf(body.columns), new URLSearchParams(parameters).toString());
          if (lead && window.innerWidth < 700) getElement(this.map).$el.scrollIntoView({ behavior: "smooth" });
        } else this.fail({ status: answer.status, detail: body.detail, faults: body.faults });
      } catch (error) {
        if (asked !== this.asked) return; // another query is under way
        if (error.name === "AbortError") this.$emit("state", { state: "cancelled" });
        else this.fail({ status: 0, detail: "The server does not answer. Is it still running?", faults: [] });
      }
    },
    cancel() {
      this.asked?.abort();
    },
    fail(words) {
      this.show([], "");
      this.$emit("state", { state: "failed", ...words });
    },
    async show(rows, query) {
      performance.mark("query-answered");
      this.stations = new Map();
      this.told = new Map(); // NET.STA: what is known of its data
      for (const row of rows) {
        const name = `${row.network}.${row.station}`;
        if (this.stations.has(name)) this.stations.get(name).push(row);
        else this.stations.set(name, [row]);
      }
      const markers = [...this.stations].map(([id, [row]]) => ({
        id,
        group: row.network,
        latitude: row.latitude ?? NaN,
        longitude: row.longitude ?? NaN,
        title: row.site ? `${id} · ${row.site}` : id,
        label: row.station,
      }));
      const [map, table] = [getElement(this.map), getElement(this.table)];
      await table.ready;
      map.popup("", null);
      this.query = null; // what the table tells meanwhile is not worth keeping
      table.set_rows(rows);
      const kept = this.kept(query);
      table.restore(kept ?? { chosen: [] });
      await map.set_markers(LAYER, markers, { fit: markers.length > 0 && !kept });
      this.query = query;
      this.chosen();
      requestAnimationFrame(() => setTimeout(() => performance.mark("query-drawn")));
      if (!rows.length) return;
      const channels = new Set(rows.map((row) => row.id)).size;
      this.$emit("state", { state: "found", rows: rows.length, channels, stations: this.stations.size });
    },
    kept(query) {
      try {
        const kept = JSON.parse(sessionStorage.getItem(KEPT));
        return kept?.query === query ? kept : null;
      } catch {
        return null;
      }
    },
    keep() {
      if (!this.query) return;
      clearTimeout(this.keeping);
      this.keeping = setTimeout(() => {
        const state = { query: this.query, ...getElement(this.table).state() };
        try {
          sessionStorage.setItem(KEPT, JSON.stringify(state));
        } catch {
          sessionStorage.removeItem(KEPT); // more than the browser keeps
        }
      }, 300);
    },
    hovered_on_map(hit) {
      getElement(this.table).highlight(hit?.id ?? null);
    },
    hovered_in_table(station) {
      getElement(this.map).highlight(station === null ? [] : [station]);
    },
    chosen() {
      const rows = getElement(this.table).chosen();
      this.marked = new Set(rows.map((row) => `${row.network}.${row.station}`));
      const map = getElement(this.map);
      map.select([...this.marked]);
      if (this.opened) map.amend_popup(this.opened, { actions: actionsOf(this.marked.has(this.opened)) });
      this.keep();
    },
    picked({ id, shift }) {
      if (shift) return getElement(this.table).choose_station(id, !this.marked.has(id));
      getElement(this.table).reveal(id);
      this.open(id);
    },
    entered(station) {
      getElement(this.map).show(station);
      this.open(station);
    },
    chosen_in_popup({ id, action }) {
      getElement(this.table).choose_station(id, action === "choose");
    },
    async open(station) {
      const rows = this.stations.get(station);
      if (!rows) return;
      this.opened = station;
      const map = getElement(this.map);
      const content = stationContent(station, rows, this.marked.has(station));
      await map.popup(station, { ...content, ...this.told.get(station) });
      if (this.told.has(station)) return;
      const told = this.told;
      const bars = await availabilityBars(rows, new URLSearchParams(this.query)).catch(() => null);
      told.set(station, bars ? { availability: bars } : { note: "The source does not tell which data there are." });
      map.amend_popup(station, told.get(station));
    },
    async save(replace) {
      const rows = getElement(this.table).chosen();
      const parameters = new URLSearchParams(this.query ?? "");
      const [source, start, end] = ["source", "start", "end"].map((name) => parameters.get(name));
      const body = { source: source ?? "", start, end, channels: rows.map(({ key, id, ...row }) => row), replace };
      try {
        const answer = await fetch(`${window.path_prefix}/api/saved`, {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify(body),
        });
        this.$emit("saved", { status: answer.status, ...(await answer.json()) });
      } catch {
        this.$emit("saved", { status: 0, detail: "The server does not answer. Is it still running?" });
      }
    },
  },
};
