// Draws the catalogue on a map: stations, events coloured by depth, the chosen one with its ellipse and its stations.
import { watch } from "vue";
import { choose, clock, depth, filter, store } from "catalogue_store";

const STEPS = [0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200];
const MOST_CLASSES = 6;
const SMALLEST = 6;
const LARGEST = 15;
const MANY = 500;
const ACCENT = "#c1440e";
const KM_PER_DEGREE = 111.2;
const LEAST_KM = 2; // half of what is seen when the map is moved to one event

// Round depths (km) that part the events into a few classes, from the shallowest to beyond the deepest.
function edges([low, high]) {
  const step = STEPS.find((s) => Math.floor(high / s) - Math.floor(low / s) < MOST_CLASSES) ?? 500;
  const first = Math.floor(low / step);
  const n = Math.max(1, Math.floor(high / step) - first + 1);
  return Array.from({ length: n + 1 }, (_, k) => Number(((first + k) * step).toFixed(1)));
}

// One event; its words are made when they are asked for, as there may be very many.
class Mark {
  constructor(columns, i, colour, size) {
    [this.columns, this.i, this.colour, this.size] = [columns, i, colour, size];
    [this.id, this.latitude, this.longitude] = [`event ${columns.event_id[i]}`, columns.latitude[i], columns.longitude[i]];
  }
  get title() {
    const { columns: c, i } = this;
    return `${clock(c.time[i])} · ${depth(c.depth_km[i])} · ${c.n_picks[i]} picks · ${c.quality[i]}`;
  }
}

export default {
  template: "<div hidden></div>",
  props: { map: Number, light: Array, dark: Array },
  data: () => ({ night: document.body.classList.contains("body--dark") }),
  mounted() {
    this.themes = new MutationObserver(() => (this.night = document.body.classList.contains("body--dark")));
    this.themes.observe(document.body, { attributes: true, attributeFilter: ["class"] });
  },
  unmounted() {
    this.themes.disconnect();
  },
  methods: {
    // The map is there.
    begin() {
      const map = getElement(this.map);
      for (const layer of ["rays", "region"]) map.set_lines(layer, [], { legend: false, pick: false });
      map.set_markers("stations", [], { legend: false });
      map.set_markers("events", [], { legend: false });
      map.set_lines("ellipse", [], { legend: false, pick: false });
      watch(() => [store.version, this.night], this.draw, { immediate: true });
      watch(() => [store.detail, this.night], this.mark, { immediate: true });
      watch(() => store.filters.box, (box) => map.set_box(box ? box.split(",").map(Number) : null), { immediate: true });
      watch(() => store.zooms, () => this.zoom(map));
      watch(() => store.pointed, (number) => map.highlight(number === null ? [] : [`event ${number}`]));
    },
    draw() {
      const map = getElement(this.map);
      if (!store.job) {
        map.set_lines("region", [], { legend: false, pick: false });
        map.set_markers("events", [], { legend: false });
        map.set_legend("", null);
        this.fitted = this.drawnOf = null;
        return;
      }
      this.drawStations(map);
      this.drawEvents(map);
      this.fit(map);
    },
    drawStations(map) {
      if (this.drawnOf === store.overview && this.drawnAt === this.night) return;
      [this.drawnOf, this.drawnAt] = [store.overview, this.night];
      const stations = store.overview?.stations ?? [];
      const colour = this.night ? "#aeb9c4" : "#4a5865";
      const marks = stations.map(({ station, latitude, longitude }) => ({ id: station, latitude, longitude, title: station }));
      map.set_markers("stations", marks, { legend: false, shape: "triangle", size: 10, colour });
      const r = store.overview?.region;
      const corners = r ? [[r.lat_min, r.lon_min], [r.lat_min, r.lon_max], [r.lat_max, r.lon_max], [r.lat_max, r.lon_min]] : [];
      const sides = corners.map((from, k) => ({ id: `side ${k}`, from, to: corners[(k + 1) % 4], colour }));
      map.set_lines("region", sides, { legend: false, pick: false, width: 1 });
    },
    drawEvents(map) {
      const { columns: c, ranges, preliminary } = store;
      if (!c || !ranges) {
        map.set_markers("events", [], { legend: false });
        map.set_legend("", [this.stationEntry()]);
        return;
      }
      const bounds = edges(ranges.depth_km);
      const colours = this.colours(bounds.length - 1);
      const of = (km) => Math.max(0, Math.min(colours.length - 1, bounds.findLastIndex((edge) => edge <= km)));
      const [fewest, most] = ranges.n_picks;
      const crowd = Math.max(0.45, Math.min(1, (MANY / c.event_id.length) ** 0.15)); // smaller where there are very many
      const size = (n) => Math.round(crowd * (SMALLEST + (LARGEST - SMALLEST) * Math.sqrt((n - fewest) / Math.max(most - fewest, 1))));
      const shape = preliminary ? "diamond" : "circle";
      const order = Uint32Array.from(c.event_id.keys()).sort((i, j) => c.depth_km[i] - c.depth_km[j]); // the shallow ones on top, as in the figures
      const marks = Array.from(order, (i) => new Mark(c, i, colours[of(c.depth_km[i])], size(c.n_picks[i] ?? fewest)));
      map.set_markers("events", marks, { legend: false, shape });
      const entries = colours.map((colour, k) => ({ label: `${bounds[k]} to ${bounds[k + 1]} km`, colour, shape }));
      map.set_legend(preliminary ? "Preliminary, by depth" : "Depth", [
        ...entries,
        { label: `large: ${most} picks`, colour: "#8a97a3", shape },
        this.stationEntry(),
      ]);
    },
    stationEntry() {
      return { label: "station", colour: this.night ? "#aeb9c4" : "#4a5865", shape: "triangle" };
    },
    colours(n) {
      const palette = this.night ? this.dark : this.light;
      return Array.from({ length: n }, (_, k) => palette[Math.round(((k + 0.5) / n) * (palette.length - 1))]);
    },
    // Once a job: to the events, or to the stations until there are any.
    fit(map) {
      const what = store.total ? "events" : "stations";
      const key = `${store.job} ${what === "events" ? store.run : ""}`;
      if (this.fitted === key || !(store.total || store.overview)) return;
      if (store.total && !store.columns?.event_id.length) return;
      this.fitted = key;
      map.fit("stations");
    },
    mark() {
      const map = getElement(this.map);
      const detail = store.detail;
      map.select(detail ? [`event ${detail.event.event_id}`] : []);
      const ring = detail?.ellipse ?? [];
      const colour = this.night ? "#ff8a50" : ACCENT;
      const arcs = ring.slice(1).map(([lon, lat], k) => ({ id: `arc ${k}`, from: [ring[k][1], ring[k][0]], to: [lat, lon], colour, width: 2 }));
      const place = new Map((store.overview?.stations ?? []).map((s) => [s.station, [s.latitude, s.longitude]]));
      const picked = [...new Set((detail?.picks ?? []).map((pick) => pick.station))].filter((name) => place.has(name));
      const from = detail && [detail.event.latitude, detail.event.longitude];
      const rays = picked.map((name) => ({ id: `ray ${name}`, from, to: place.get(name), colour: this.night ? "#5f7486" : "#9fb0bf" }));
      if (detail || this.marked) {
        map.set_lines("ellipse", arcs, { legend: false, pick: false });
        map.set_lines("rays", rays, { legend: false, pick: false });
      }
      this.marked = Boolean(detail);
      if (detail) map.show(`event ${detail.event.event_id}`);
    },
    // To the chosen event, so that its ellipse is seen.
    zoom(map) {
      const { latitude, longitude, horizontal_uncertainty_km: major } = store.detail.event;
      const half = Math.max(3 * (major ?? 0), LEAST_KM) / KM_PER_DEGREE;
      const wide = half / Math.max(Math.cos((latitude * Math.PI) / 180), 0.05);
      map.map.fitBounds([[latitude - half, longitude - wide], [latitude + half, longitude + wide]]);
    },
    picked({ layer, id }) {
      if (layer === "events") choose(Number(id.slice(6)));
    },
    hovered(at) {
      store.pointed = at?.layer === "events" ? Number(at.id.slice(6)) : null;
    },
    boxed(box) {
      if (store.job) filter({ box: box ? box.map((side) => Number(side.toFixed(4))).join(",") : "" });
    },
  },
};
