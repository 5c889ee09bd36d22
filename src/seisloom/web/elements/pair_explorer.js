const MOST_LINES = 400; // of all pairs at once; of one station all are drawn
const QUIET = "#8a97a5";
const PICKED = "#c1440e";
const station = (channel) => channel.split(".").slice(0, 2).join(".");
const sensor = (channel) => channel.slice(0, -1);
// Whether a name is of a pair of these two sensors, whatever the last letters of its channels.
const isOf = (name, first, second) =>
  name.length === first.length + second.length + 3 && name.startsWith(first) && name.slice(first.length + 1, -1) === `_${second}`;

export default {
  template: "<div hidden></div>",
  props: { map: Number, table: Number },
  created() {
    this.job = "";
    this.rows = []; // of the component
    this.state = { component: "", pair: "", station: "", view: "" };
    this.armed = null; // the station that was clicked first
    this.rating = false;
  },
  unmounted() {
    this.asked?.abort();
  },
  methods: {
    async load(job, state) {
      this.asked?.abort();
      const asked = (this.asked = new AbortController());
      const get = async (what) => {
        const answer = await fetch(`api/jobs/${encodeURIComponent(job)}/${what}`, { signal: asked.signal });
        const body = await answer.json();
        if (!answer.ok) throw Object.assign(new Error(body.detail), { status: answer.status });
        return body;
      };
      try {
        const [columns, stations] = await Promise.all([get("pairs"), get("stations")]);
        const another = job !== this.job;
        Object.assign(this, { job, columns, stations });
        if (another) this.armed = null;
        this.$emit("loaded", { pairs: columns.count, stations: stations.length, version: columns.version });
        this.mark(another);
        this.list(state, true);
        if (this.rating) this.rate();
      } catch (error) {
        if (asked !== this.asked) return;
        const detail = error.status ? error.message : "The server does not answer. Is it still running?";
        this.$emit("failed", { status: error.status ?? 0, detail });
      }
    },
    // Signal-to-noise ratios take longer than all the rest: they are filled in when the picture is there.
    async rate() {
      this.rating = true; // also of what is loaded later
      if (!this.columns || this.columns.snr.some((value) => value !== null)) return;
      const { job, asked, columns } = this;
      const answer = await fetch(`api/jobs/${encodeURIComponent(job)}/pairs/snr`, { signal: asked.signal }).catch(() => null);
      if (!answer?.ok || columns !== this.columns) return;
      const { version, snr } = await answer.json();
      if (version !== columns.version || columns !== this.columns) return;
      columns.snr = snr;
      this.rows = this.of(this.state.component); // new ones: the table takes a row that it has already for unchanged
      this.row = this.rows.find(({ id }) => id === this.row?.id) ?? null;
      this.tabulate();
    },
    tabulate() {
      getElement(this.table).set_rows(this.rows, { several: new Set(this.columns.component).size > 1 });
    },
    // The stations on the map.
    mark(fit) {
      const names = this.stations.length <= 40;
      const markers = this.stations.map((each) => {
        const [network, code] = each.station.split(".");
        return { id: each.station, ...each, group: network, shape: "triangle", size: 11, ...(names && { label: code }) };
      });
      const chart = getElement(this.map);
      for (const layer of ["pairs", "pair"]) chart.set_lines(layer, []);
      chart.set_markers("stations", markers, { fit });
    },
    show(state) {
      if (this.columns) this.list(state, state.component !== this.state.component);
    },
    list(state, anew) {
      this.state = state;
      if (anew) {
        this.rows = this.of(state.component);
        this.tabulate();
      }
      const row = state.pair ? this.find(state.pair) : this.best();
      this.row = row;
      getElement(this.table).choose(row?.id ?? null);
      this.draw();
      const turned = row && (isOf(state.pair, ...row.sensors.toReversed()) || state.pair === row.stations.toReversed().join("_"));
      const away = turned && row.name !== row.turned ? { name: row.turned, label: row.label.split(" – ").toReversed().join(" – "), azimuth_deg: null } : {};
      this.$emit("shown", row && { ...row, ...away });
    },
    // Rows of a component; one that only rotation makes has those of the verticals, or whatever comes first of a pair.
    of(component) {
      const { channels, a, b } = this.columns;
      const kind = this.columns.component.includes(component) ? component : null;
      const several = new Set();
      const [rows, seen, labels] = [[], new Set(), new Set()];
      for (let i = 0; i < a.length; i++) {
        if (kind !== null && this.columns.component[i] !== kind) continue;
        const [first, second] = [channels[a[i]], channels[b[i]]];
        const id = `${sensor(first)}_${sensor(second)}`;
        if (seen.has(id) || (kind === null && sensor(first) === sensor(second))) continue;
        seen.add(id);
        const letters = component || this.columns.component[i];
        const label = `${station(first)} – ${station(second)}`;
        if (labels.has(label)) several.add(label);
        labels.add(label);
        rows.push({
          id, label, component: letters, stations: [station(first), station(second)], sensors: [sensor(first), sensor(second)],
          name: `${sensor(first)}${letters[0]}_${sensor(second)}${letters[1]}`,
          turned: `${sensor(second)}${letters[0]}_${sensor(first)}${letters[1]}`,
          distance_km: this.columns.distance_km[i], azimuth_deg: this.columns.azimuth_deg[i], days: this.columns.days[i],
          windows: this.columns.windows[i], snr: kind === null ? null : this.columns.snr[i],
        });
      }
      // Where two stations have several pairs of sensors, their channels tell these apart.
      for (const row of rows) if (several.has(row.label)) row.label = row.sensors.map((name, i) => name + row.component[i]).join(" – ");
      return rows;
    },
    // The row of a pair of channels or stations, in either order.
    find(name) {
      const fits = ({ stations: [x, y], sensors: [p, q] }) =>
        name === `${x}_${y}` || name === `${y}_${x}` || isOf(name, p, q) || isOf(name, q, p);
      return this.rows.find(fits) ?? null;
    },
    best() {
      const apart = this.rows.filter((row) => row.windows > 0);
      const score = (row) => [row.distance_km > 0 ? 1 : 0, row.snr ?? 0, row.windows];
      const more = (p, q) => p.findIndex((v, i) => v !== q[i]);
      return apart.reduce((best, row) => {
        if (!best) return row;
        const [p, q] = [score(row), score(best)];
        const i = more(p, q);
        return i >= 0 && p[i] > q[i] ? row : best;
      }, null);
    },
    // Lines of the pairs: of one station, of all where they are few, and of the one that is chosen.
    draw() {
      const places = new Map(this.stations.map((each) => [each.station, [each.latitude, each.longitude]]));
      const line = (row, id, look) => {
        const [from, to] = row.stations.map((name) => places.get(name));
        const known = from && to && [...from, ...to].every((value) => value !== null) && row.stations[0] !== row.stations[1];
        const away = row.distance_km == null ? "" : ` · ${row.distance_km.toFixed(1)} km`;
        return known ? [{ id, from, to, title: `${row.label}${away}`, ...look }] : [];
      };
      const hub = this.armed ?? (this.state.view === "virtual-shot" ? this.state.station : null);
      const some = this.rows.filter((row) => (hub ? row.stations.includes(hub) : this.rows.length <= MOST_LINES));
      const chart = getElement(this.map);
      chart.set_lines("pairs", some.flatMap((row) => line(row, row.id, { colour: QUIET, width: hub ? 1.2 : 0.6 })));
      const picked = this.row && this.state.view !== "virtual-shot" ? line(this.row, `picked ${this.row.id}`, { colour: PICKED, width: 3 }) : [];
      chart.set_lines("pair", picked, { pick: false });
      const ends = this.armed ? [this.armed] : this.state.view === "virtual-shot" ? [this.state.station] : this.row?.stations ?? [];
      chart.select(ends);
      this.hint();
    },
    hint() {
      const words = this.state.view === "virtual-shot"
        ? "Click a station to make it the source."
        : this.armed ? `${this.armed}: click the other station of the pair.` : "Click a station, then another, or a line between two.";
      this.$emit("hint", words);
    },
    disarm() {
      if (!this.armed) return;
      this.armed = null;
      this.draw();
    },
    picked_on_map({ layer, id }) {
      if (layer === "pairs") return this.picked(id);
      if (layer !== "stations") return;
      if (this.state.view === "virtual-shot") return this.$emit("source", id);
      const first = this.armed;
      if (first && first !== id) {
        const row = this.find(`${first}_${id}`);
        if (row) {
          this.armed = null;
          return this.choose(row, first);
        }
      }
      this.armed = first === id ? null : id;
      this.draw();
    },
    picked(id) {
      const row = this.rows.find((each) => each.id === id);
      this.armed = null;
      if (row) this.choose(row);
    },
    // The pair, turned so that the station that was clicked first is its first.
    choose(row, first = row.stations[0]) {
      const turned = row.stations[0] !== first;
      this.$emit("pick", turned ? row.turned : row.name);
    },
    hovered(id) {
      getElement(this.map).highlight(id === null ? [] : [id]);
    },
    picked_in_picture({ name, x, y }) {
      if (name === "map") return this.near(x, y);
      if (name !== "section") return;
      const shot = this.state.view === "virtual-shot";
      const rows = this.rows.filter((row) => row.windows > 0 && row.distance_km !== null && (!shot || row.stations.includes(this.state.station)));
      const nearest = rows.reduce((best, row) => (!best || Math.abs(row.distance_km - y) < Math.abs(best.distance_km - y) ? row : best), null);
      if (nearest) this.choose(nearest, shot ? this.state.station : undefined);
    },
    // The station nearest to a place on the map of a virtual shot becomes the source.
    near(longitude, latitude) {
      const away = (each) => Math.hypot((each.longitude - longitude) * Math.cos((latitude * Math.PI) / 180), each.latitude - latitude);
      const known = this.stations.filter((each) => each.latitude !== null && each.longitude !== null);
      const nearest = known.reduce((best, each) => (!best || away(each) < away(best) ? each : best), null);
      if (nearest) this.$emit("source", nearest.station);
    },
  },
};
