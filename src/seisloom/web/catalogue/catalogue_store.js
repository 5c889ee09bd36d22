// The catalogue that is looked at: one job, the events that the filters let through, one of them in detail.
// Map, table and panels share it; the address of the page follows it.
import { markRaw, reactive, watch } from "vue";
import { api, board, join } from "job_board";

export const FILTERS = ["start", "end", "min_depth", "max_depth", "min_picks", "min_magnitude", "max_false", "quality", "box"];
const none = () => ({ run: "", preliminary: true, count: 0, total: 0, ranges: null, columns: null, overview: null, number: null, detail: null });

export const store = reactive({ job: "", filters: {}, ...none(), pointed: null, zooms: 0, fault: "", busy: false, version: 0 });

const where = () => `/jobs/${encodeURIComponent(store.job)}`;
const query = () => new URLSearchParams(store.filters).toString();

// The address of something of the job; unless told otherwise, for the events that are shown.
export function address(path, parameters = store.filters) {
  const asked = new URLSearchParams(parameters).toString();
  return `api${where()}/${path}${asked ? `?${asked}` : ""}`;
}

export function open(job, number = null, filters = {}) {
  Object.assign(store, none(), { job, filters, number, fault: "" });
  store.version += 1;
  tell();
  if (job) return load(true);
}

let latest = 0;
async function load(whole) {
  const [turn, job] = [++latest, store.job];
  store.busy = true;
  try {
    const [events, overview] = await Promise.all([
      api("GET", `${where()}/events?${query()}`),
      whole ? api("GET", `${where()}/catalogue`) : store.overview,
    ]);
    if (turn !== latest || job !== store.job) return;
    const { columns, ...head } = events;
    Object.assign(store, head, { columns: markRaw(columns), overview: overview && markRaw(overview), fault: "" });
    store.version += 1;
    if (store.number !== null && (whole || store.detail === null)) await look();
  } catch (fault) {
    if (turn === latest && job === store.job) store.fault = fault.message;
  }
  if (turn === latest) store.busy = false;
}

export function filter(filters) {
  const kept = Object.entries({ ...store.filters, ...filters }).filter(([, value]) => value !== "" && value != null);
  store.filters = Object.fromEntries(kept);
  tell();
  return load(false);
}

export function clearFilters() {
  store.filters = {};
  tell();
  return load(false);
}

// Look at one event, null for none.
export async function choose(number) {
  store.number = number;
  tell();
  if (number === null) store.detail = null;
  else await look();
}

async function look() {
  const [job, number] = [store.job, store.number];
  const detail = await api("GET", `${where()}/events/${number}`).catch(() => null);
  if (job !== store.job || number !== store.number) return;
  store.detail = detail && markRaw(detail);
  if (!detail) {
    store.number = null;
    tell();
  }
}

// Have the map show the chosen event from near.
export function zoom() {
  store.zooms += 1;
}

function tell() {
  const held = { ...(store.job && { job: store.job }), ...(store.number !== null && { event: store.number }), ...store.filters };
  const asked = new URLSearchParams(held).toString();
  history.replaceState(history.state, "", `${location.pathname}${asked ? `?${asked}` : ""}`);
}

// While the job runs its events come; when it ends, they are replaced.
const state = () => board.jobs?.find((job) => job.id === store.job)?.state;
watch(() => [store.job, state()], ([job, now], [before, then]) => job && job === before && then && now && load(true));
watch(() => [store.job, board.progress[store.job]?.events], ([job, now], [before, then]) => {
  if (job && job === before && now !== then && state() === "running") load(false);
});
join();

export const depth = (km) => (km == null ? "–" : `${km.toFixed(1)} km`);
// A small probability as per cent; files have five decimals of it.
export function percent(probability) {
  const value = 100 * probability;
  if (value < 0.001) return "< 0.001 %";
  return `${value < 1 ? Number(value.toPrecision(1)) : value.toFixed(value < 10 ? 1 : 0)} %`;
}
export const clock = (time) => `${time.slice(0, 10)} ${time.slice(11, 21)}`;
