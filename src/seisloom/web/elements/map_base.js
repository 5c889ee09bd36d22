// The base map without network: land, coasts, borders and a graticule, from GeoJSON of this server.
import { leaflet as L } from "nicegui-leaflet";
import { CanvasLayer, unitX, unitY } from "map_canvas";

const TILE_DEG = 20; // of the fine level, as the server cuts it
const FINE_FROM_ZOOM = 4.5;

// One Path2D a layer, in the unit square.
function pathsOf(geojson) {
  const paths = {};
  for (const { properties, geometry } of geojson.features) {
    const path = (paths[properties.layer] ??= new Path2D());
    const closed = geometry.type === "MultiPolygon";
    for (const line of closed ? geometry.coordinates.flat() : geometry.coordinates) {
      line.forEach(([lon, lat], i) => path[i ? "lineTo" : "moveTo"](unitX(lon), unitY(lat)));
      if (closed) path.closePath();
    }
  }
  return paths;
}

export class BaseMap {
  constructor(map, url, version) {
    this.map = map;
    this.url = url;
    this.version = version;
    this.pieces = new Map(); // name: paths, or null while they are on their way
    this.graticule = false;
    map.createPane("base").style.zIndex = 150;
    this.layer = new CanvasLayer((context, view) => this.paint(context, view), "base").addTo(map);
    this.fetch("coarse");
  }

  redraw() {
    this.layer.redraw();
  }

  async fetch(name) {
    if (this.pieces.has(name)) return;
    this.pieces.set(name, null);
    try {
      const answer = await fetch(`${this.url}/${name}?v=${this.version}`);
      if (!answer.ok) throw new Error(`${answer.status}`);
      this.pieces.set(name, pathsOf(await answer.json()));
      this.redraw();
    } catch {
      this.pieces.delete(name); // asked for again when the map moves
    }
  }

  // Fine pieces under the view, or null where not all are here yet (they are asked for then).
  fine(view) {
    if (view.zoom < FINE_FROM_ZOOM) return null;
    const names = new Set();
    const step = TILE_DEG / 360;
    const last = Math.floor((view.left + view.width) / view.world / step);
    for (let x = Math.floor(view.left / view.world / step); x <= last; x++) {
      for (let y = 0; y < 180 / TILE_DEG; y++) {
        const [north, south] = [unitY(TILE_DEG * (y + 1) - 90), unitY(TILE_DEG * y - 90)].map((u) => u * view.world - view.top);
        const column = ((x % 18) + 18) % 18;
        if (south > 0 && north < view.height) names.add(`fine/${column}/${y}`);
      }
    }
    for (const name of names) this.fetch(name);
    const pieces = [...names].map((name) => this.pieces.get(name));
    return pieces.every(Boolean) ? pieces : null;
  }

  paint(context, view) {
    const style = getComputedStyle(this.map.getContainer());
    const colour = (name) => style.getPropertyValue(`--sl-map-${name}`).trim();
    context.fillStyle = colour("water");
    context.fillRect(0, 0, view.width, view.height);
    const pieces = this.fine(view) ?? [this.pieces.get("coarse")].filter(Boolean);
    for (const k of view.copies) {
      context.save();
      context.translate(k * view.world - view.left, -view.top);
      context.scale(view.world, view.world);
      context.lineJoin = "round";
      const draw = (layer, ink, pixels) => {
        context.strokeStyle = ink;
        context.lineWidth = pixels / view.world;
        for (const piece of pieces) if (piece[layer]) context.stroke(piece[layer]);
      };
      context.fillStyle = colour("land");
      for (const piece of pieces) if (piece.land) context.fill(piece.land, "evenodd");
      draw("land", colour("land"), 1); // closes hairlines between pieces and at ±180°
      draw("coasts", colour("coast"), 0.8);
      draw("states", colour("border"), 0.4);
      draw("borders", colour("border"), 0.8);
      context.restore();
    }
    if (this.graticule) this.paintGraticule(context, view, colour("graticule"), colour("ink"));
  }

  paintGraticule(context, view, ink, words) {
    const span = (view.width / view.world) * 360;
    const step = [45, 30, 15, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02].find((s) => span / s >= 5) ?? 0.01;
    const digits = Math.max(0, -Math.floor(Math.log10(step)));
    context.strokeStyle = ink;
    context.lineWidth = 1;
    context.beginPath();
    const [xs, ys] = [[], []];
    const west = (view.left / view.world) * 360 - 180;
    for (let i = Math.ceil(west / step); i * step <= west + span; i++) {
      xs.push([unitX(i * step) * view.world - view.left, i * step]);
    }
    for (let i = Math.ceil(-85 / step); i * step <= 85; i++) ys.push([unitY(i * step) * view.world - view.top, i * step]);
    for (const [x] of xs) context.rect(x, 0, 0, view.height);
    for (const [y] of ys) context.rect(0, y, view.width, 0);
    context.stroke();
    // Names of the lines stand at the edges of what is seen, which is less than the canvas.
    const seen = this.map.getSize();
    const [left, top] = [(view.width - seen.x) / 2, (view.height - seen.y) / 2];
    context.fillStyle = words;
    context.font = "11px system-ui, sans-serif";
    const letter = (degrees, plus, minus) => {
      const value = degrees - 360 * Math.round(degrees / 360) * (plus === "E");
      const side = Math.abs(value) % 180 === 0 ? "" : value > 0 ? plus : minus;
      return `${Math.abs(value).toFixed(digits)}°${side && ` ${side}`}`;
    };
    for (const [x, degrees] of xs) context.fillText(letter(degrees, "E", "W"), x + 3, top + 12);
    for (const [y, degrees] of ys) context.fillText(letter(degrees, "N", "S"), left + seen.x - 44, y - 3);
  }
}

// Tiles of OpenStreetMap above the base map, which stays where they do not come.
export function onlineTiles(map) {
  const tiles = L.tileLayer("https://tile.openstreetmap.org/{z}/{x}/{y}.png", {
    maxZoom: 19,
    referrerPolicy: "strict-origin-when-cross-origin", // the service asks for it
    attribution: '© <a href="https://www.openstreetmap.org/copyright" target="_blank" rel="noopener">OpenStreetMap</a>',
  });
  const silent = "the online map does not answer";
  tiles.on("tileerror", () => map.attributionControl.addAttribution(silent));
  tiles.on("tileload remove", () => map.attributionControl.removeAttribution(silent));
  return tiles;
}
