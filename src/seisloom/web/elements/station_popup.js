// What the popup of a station says: what its channels have in common, each of them, and which data there are.
const CHANNELS_MAX = 100; // whose availability is asked for
const YEAR_MS = 365 * 86_400_000;
const code = (row) => `${row.location || "--"}.${row.channel}`;
const day = (time) => (time ? time.slice(0, 10) : "open");
const degrees = (value, plus, minus) => (value == null ? "unknown" : `${Math.abs(value).toFixed(4)}° ${value < 0 ? minus : plus}`);

// From the first start to the last end of some rows, in words.
function spanOf(rows) {
  const first = rows.map((row) => row.start).filter(Boolean).sort()[0];
  if (rows.some((row) => !row.end)) return first ? `since ${day(first)}` : "of unknown dates";
  return `from ${day(first)} to ${day(rows.map((row) => row.end).sort().at(-1))}`;
}

export function actionsOf(chosen) {
  return [chosen ? ["Unselect its channels", "drop"] : ["Select its channels", "choose"]];
}

export function stationContent(station, rows, chosen) {
  const [{ latitude, longitude, elevation_m, site, network }] = rows;
  const height = elevation_m == null ? "unknown" : `${Math.round(elevation_m).toLocaleString("en")} m`;
  const cells = rows.map((row) => [
    code(row),
    row.sample_rate_hz == null ? "" : `${row.sample_rate_hz} Hz`,
    day(row.start),
    day(row.end),
    row.sensor,
  ]);
  return {
    title: station,
    subtitle: site,
    rows: [
      ["Network", network],
      ["Place", `${degrees(latitude, "N", "S")}, ${degrees(longitude, "E", "W")}`],
      ["Elevation", height],
      ["Channels", `${new Set(rows.map((row) => row.id)).size}, ${spanOf(rows)}`],
    ],
    table: [["Channel", "Rate", "From", "To", "Sensor"], ...cells],
    actions: actionsOf(chosen),
  };
}

// The span of the query; where it is open, the last year in which there were channels.
function spanAsked(rows, parameters) {
  const now = new Date().toISOString();
  const last = rows.some((row) => !row.end || row.end > now) ? now : rows.map((row) => row.end).sort().at(-1);
  const end = parameters.get("end") ?? last.slice(0, 10);
  const start = parameters.get("start") ?? new Date(Date.parse(end) - YEAR_MS).toISOString().slice(0, 10);
  return { start, end };
}

// Bars of the data that there are, or null where the source does not tell.
export async function availabilityBars(rows, parameters) {
  const { start, end } = spanAsked(rows, parameters);
  const ids = [...new Set(rows.map((row) => row.id))].slice(0, CHANNELS_MAX);
  const asked = new URLSearchParams({ source: parameters.get("source") ?? "", start, end, ids });
  const answer = await fetch(`${window.path_prefix}/api/availability?${asked}`);
  const { told, channels } = answer.ok ? await answer.json() : {};
  if (!told) return null;
  const from = Date.parse(start);
  const length = Date.parse(end) + (end.length > 10 ? 0 : 86_400_000) - from;
  const share = (time) => (Date.parse(time) - from) / length;
  return {
    title: `Data, ${start.slice(0, 10)} to ${end.slice(0, 10)}`,
    bars: channels.map(({ id, percent, spans }) => ({
      label: code(rows.find((row) => row.id === id)),
      spans: spans.map(([first, last]) => [share(first), share(last)]),
      text: `${percent >= 99.95 || percent === 0 ? percent.toFixed(0) : percent.toFixed(1)} %`,
    })),
  };
}
