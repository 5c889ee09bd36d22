// The jobs of the workspace as the API tells them, asked again every second while one runs and every five else.
// List and panel share this, so that both show the same, and a page asks once.
import { reactive } from "vue";

// ``deserted``: jobs wait, and no worker seems to be there.
export const board = reactive({ jobs: null, progress: {}, silent: {}, deserted: false, fault: "", now: Date.now(), turn: 0 });

// Word and icon of a state: never the colour alone.
export const STATES = {
  waiting: { word: "Waiting", icon: "schedule" },
  running: { word: "Running", icon: "sync" },
  done: { word: "Done", icon: "check_circle" },
  failed: { word: "Failed", icon: "error" },
  cancelled: { word: "Cancelled", icon: "block" },
};

const STAGES = {
  metadata: "Station metadata",
  records: "Reading records",
  correlation: "Correlating",
  training: "Training",
  links: "Linking picks",
  events: "Locating events",
  files: "Writing files",
};
// Association by likelihood searches in rounds.
const ROUND = /^round (\d+)$/;

const RUNNING_MS = 1000;
const QUIET_MS = 5000;
const SILENT_MS = 8000; // a worker beats every few seconds
const UNTAKEN_MS = 15000; // a worker without work looks for some every five seconds
const beats = {};
let untaken = null;
let tag = ""; // of the list of jobs as it was told last
let users = 0;
let timer = null;
let asking = null;

export async function api(method, path, type = "json") {
  const answer = await send(method, path);
  return answer.status === 204 ? null : answer[type]();
}

async function send(method, path, headers = {}) {
  const answer = await fetch(`api${path}`, { method, headers: { Accept: "application/json", ...headers } });
  if (answer.ok || answer.status === 304) return answer;
  const told = await answer.json().catch(() => ({}));
  const fault = new Error(typeof told.detail === "string" ? told.detail : `The server answered ${answer.status}.`);
  throw Object.assign(fault, { status: answer.status });
}

export function refresh() {
  asking ??= ask().finally(() => (asking = null));
  return asking;
}

async function ask() {
  try {
    const answer = await send("GET", "/jobs", tag && { "If-None-Match": tag });
    const jobs = answer.status === 304 ? board.jobs : await answer.json();
    const running = jobs.filter((job) => job.state === "running");
    const told = await Promise.all(
      running.map((job) => api("GET", `/jobs/${encodeURIComponent(job.id)}/progress?days=0`).catch(() => null)),
    );
    running.forEach((job, i) => told[i] && note(job.id, told[i]));
    tag = answer.headers.get("ETag");
    board.jobs = jobs;
    board.deserted = isDeserted(jobs);
    board.fault = "";
  } catch (fault) {
    board.fault = fault.status ? fault.message : "The server does not answer. Asking again…";
  }
  board.now = Date.now();
  board.turn += 1;
}

// Keeps the progress of a job, and since when its worker has given no sign of life.
function note(id, progress) {
  const now = Date.now();
  if (beats[id]?.beat !== progress.beat) beats[id] = { beat: progress.beat, at: now };
  const silence = now - beats[id].at;
  board.silent[id] = silence > SILENT_MS ? silence / 1000 : 0;
  board.progress[id] = progress;
}

// Workers take the next job within seconds, unless each has one: where nobody does for long, and none is at work, there is none.
function isDeserted(jobs) {
  const next = jobs.find((job) => job.position === 1);
  const works = jobs.some((job) => job.state === "running" && !board.silent[job.id]);
  const key = next && !works && `${next.id} ${next.number}`;
  if (untaken?.key !== key) untaken = { key, at: Date.now() };
  return Boolean(key) && Date.now() - untaken.at > UNTAKEN_MS;
}

async function turn() {
  if (!document.hidden) await refresh();
  if (!users) return;
  const busy = board.jobs?.some((job) => job.state === "running" || job.state === "waiting");
  timer = setTimeout(turn, busy ? RUNNING_MS : QUIET_MS);
}

function look() {
  if (!document.hidden) refresh();
}

export function join() {
  users += 1;
  if (users > 1) return;
  document.addEventListener("visibilitychange", look);
  turn();
}

export function leave() {
  users -= 1;
  if (users) return;
  clearTimeout(timer);
  document.removeEventListener("visibilitychange", look);
}

// What there is to say of a job that waits.
export function place(job) {
  if (board.deserted) return "No worker is running";
  const before = (job.position ?? 1) - 1;
  return before ? `${count(before)} ${before === 1 ? "job" : "jobs"} before it` : "Next in the queue";
}

// What its worker is doing.
export function stage(job) {
  const name = board.progress[job.id]?.stage;
  if (!name) return "Starting";
  return STAGES[name] ?? name.replace(ROUND, "searching, round $1").replace(/^./, (letter) => letter.toUpperCase());
}

// The share of a job that is done, null where that is not known.
export function share(job) {
  if (job.state === "done") return 1;
  const p = board.progress[job.id];
  if (job.state !== "running" || !p) return null;
  if (!p.days) return p.total > 1 ? Math.min(1, (p.done ?? 0) / p.total) : null;
  const part = (done, all) => (all ? (done ?? 0) / all : 0);
  const day = (part(p.channels_done, p.channels) + part(p.pairs_done, p.pairs)) / 2;
  return Math.min(1, ((p.days_done ?? 0) + day) / p.days);
}

export function duration(seconds) {
  if (seconds == null || !isFinite(seconds)) return "–";
  const s = Math.max(0, Math.round(seconds));
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = units.findIndex(([, size]) => s >= size);
  if (first < 0) return "0 s";
  const [name, size] = units[first];
  const [next, below] = units[first + 1] ?? [];
  const rest = below ? Math.floor((s % size) / below) : 0;
  return `${Math.floor(s / size)} ${name}${rest ? ` ${rest} ${next}` : ""}`;
}

export function ago(time) {
  const seconds = (board.now - Date.parse(time)) / 1000;
  if (seconds < 45) return "just now";
  const size = [["day", 86400], ["hour", 3600], ["minute", 60]].find(([, s]) => seconds >= s) ?? ["minute", 60];
  const n = Math.max(1, Math.floor(seconds / size[1]));
  return `${n} ${size[0]}${n === 1 ? "" : "s"} ago`;
}

export const utc = (time) => (time ? `${time.slice(0, 10)} ${time.slice(11, 19)} UTC` : "–");

export const count = (number) => (number == null ? "–" : Number(number).toLocaleString("en"));

export const titleOf = (job) => job.name || `${job.kind[0].toUpperCase()}${job.kind.slice(1)} ${job.id.slice(0, 8)}`;
