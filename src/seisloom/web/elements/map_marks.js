// Markers and lines: where they are, what they look like, which one the pointer is at.
import { CanvasLayer, unitX, unitY } from "map_canvas";

const OTHERS = "#8a8f98";
const SHAPES = {
  circle: (p, r) => p.arc(0, 0, r, 0, 2 * Math.PI),
  square: (p, r) => p.rect(-0.88 * r, -0.88 * r, 1.76 * r, 1.76 * r),
  triangle: (p, r) => polygon(p, [[0, -1.15 * r], [1.05 * r, 0.75 * r], [-1.05 * r, 0.75 * r]]),
  diamond: (p, r) => polygon(p, [[0, -1.2 * r], [1.2 * r, 0], [0, 1.2 * r], [-1.2 * r, 0]]),
  star: (p, r) =>
    polygon(p, Array.from({ length: 10 }, (_, i) => {
      const [length, angle] = [i % 2 ? 0.55 * r : 1.35 * r, (Math.PI * (i - 2.5)) / 5];
      return [length * Math.cos(angle), length * Math.sin(angle)];
    })),
};

function polygon(path, points) {
  points.forEach(([x, y], i) => path[i ? "lineTo" : "moveTo"](x, y));
  path.closePath();
}

export function shapePath(shape, size) {
  const path = new Path2D();
  (SHAPES[shape] ?? SHAPES.circle)(path, size / 2);
  return path;
}

// A small picture of one look of a marker, drawn once and copied for each.
function sprite(shape, size, colour, outline) {
  const ratio = window.devicePixelRatio || 1;
  const side = Math.ceil(1.5 * size) + 4;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = Math.ceil(side * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.translate(side / 2, side / 2);
  const path = shapePath(shape, size);
  context.fillStyle = colour;
  context.fill(path);
  context.strokeStyle = outline;
  context.lineWidth = 1;
  context.stroke(path);
  return { canvas, side };
}

// Points of the great circle between two places, in the unit square, without jumps at ±180°.
function greatCircle([latA, lonA], [latB, lonB]) {
  const radians = Math.PI / 180;
  const vector = (lat, lon) => [
    Math.cos(lat * radians) * Math.cos(lon * radians),
    Math.cos(lat * radians) * Math.sin(lon * radians),
    Math.sin(lat * radians),
  ];
  const [a, b] = [vector(latA, lonA), vector(latB, lonB)];
  const angle = Math.acos(Math.max(-1, Math.min(1, a[0] * b[0] + a[1] * b[1] + a[2] * b[2])));
  const steps = Math.max(1, Math.ceil(angle / radians));
  const points = [];
  let last = lonA;
  for (let i = 0; i <= steps; i++) {
    const t = i / steps;
    const [p, q] = angle < 1e-9 ? [1 - t, t] : [Math.sin((1 - t) * angle), Math.sin(t * angle)];
    const [x, y, z] = [0, 1, 2].map((k) => p * a[k] + q * b[k]);
    let lon = Math.atan2(y, x) / radians;
    lon += 360 * Math.round((last - lon) / 360);
    last = lon;
    points.push(unitX(lon), unitY(Math.atan2(z, Math.hypot(x, y)) / radians));
  }
  return points;
}

// Names beside markers, where there are few of them and one does not cover another.
const LABELS_MAX = 60;
function writeLabels(context, labels, ink, halo) {
  if (labels.length > LABELS_MAX) return;
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = 3;
  const taken = [];
  for (const [text, x, y] of labels) {
    const width = context.measureText(text).width;
    if (taken.some(([x2, y2, width2]) => x < x2 + width2 && x2 < x + width && Math.abs(y - y2) < 12)) continue;
    taken.push([x, y, width]);
    context.strokeStyle = halo;
    context.strokeText(text, x, y);
    context.fillStyle = ink;
    context.fillText(text, x, y);
  }
}

function countGroups(marks) {
  const counts = new Map();
  for (const { group, colour } of marks) if (group != null && !colour) counts.set(group, (counts.get(group) ?? 0) + 1);
  return counts;
}

export class Marks {
  // ``onGroups`` hears that there are other groups to list.
  constructor(map, palette, onGroups) {
    Object.assign(this, { map, palette, onGroups });
    this.layers = new Map();
    this.told = "[]"; // of the groups, without any
    this.groups = [];
    this.colourOf = new Map();
    this.selected = new Set();
    this.highlighted = new Set();
    this.hiddenGroups = new Set();
    this.sprites = new Map();
    map.createPane("marked").style.zIndex = 450;
    map.getPane("marked").style.pointerEvents = "none";
    this.all = new CanvasLayer((context, view) => this.paintAll(context, view), "overlayPane").addTo(map);
    this.marked = new CanvasLayer((context, view) => this.paintMarked(context, view), "marked").addTo(map);
  }

  redraw() {
    this.all.redraw();
    this.marked.redraw();
  }

  restyle() {
    this.sprites.clear();
    this.redraw();
  }

  setMarkers(name, markers, options) {
    const marks = markers.filter((m) => Number.isFinite(m.latitude) && Number.isFinite(m.longitude));
    this.put(name, options, {
      kind: "markers",
      marks,
      x: Float64Array.from(marks, (m) => unitX(m.longitude)),
      y: Float64Array.from(marks, (m) => unitY(m.latitude)),
    });
  }

  setLines(name, lines, options) {
    this.put(name, options, { kind: "lines", marks: lines, paths: lines.map((l) => greatCircle(l.from, l.to)) });
  }

  // A change of one layer leaves the others as they are, unless it changes the groups: there may be very many marks.
  put(name, options, layer) {
    const made = { ...layer, name, options: { legend: true, pick: true, ...options } };
    made.groups = made.options.legend ? countGroups(made.marks) : new Map();
    this.layers.set(name, made);
    for (const each of this.colourGroups() ? this.layers.values() : [made]) {
      each.looks = each.marks.map((mark) => this.look(mark, each.options));
    }
    this.redraw();
  }

  // The most frequent groups have a colour each, in the order of their number of markers. Whether groups changed.
  colourGroups() {
    const counts = new Map();
    for (const { groups } of this.layers.values()) {
      for (const [name, count] of groups) counts.set(name, (counts.get(name) ?? 0) + count);
    }
    const sorted = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
    const told = JSON.stringify(sorted);
    if (told === this.told) return false;
    this.told = told;
    this.groups = sorted.map(([name, count], i) => ({ name, count, colour: this.palette[i] ?? OTHERS, named: i < this.palette.length }));
    this.colourOf = new Map(this.groups.map((group) => [group.name, group.colour]));
    this.onGroups(this.groups);
    return true;
  }

  // The layer and the number in it of a marker or line, the topmost of this id; nothing where there is none.
  find(id) {
    for (const layer of [...this.layers.values()].reverse()) {
      layer.numbers ??= new Map(layer.marks.map((mark, i) => [mark.id, i]));
      const i = layer.numbers.get(id);
      if (i !== undefined) return [layer, i];
    }
    return [];
  }

  setHidden(groups) {
    this.hiddenGroups = new Set(groups);
    this.redraw();
  }

  select(ids) {
    this.selected = new Set(ids);
    this.marked.redraw();
  }

  highlight(ids) {
    if (ids.length === this.highlighted.size && ids.every((id) => this.highlighted.has(id))) return;
    this.highlighted = new Set(ids);
    this.marked.redraw();
  }

  look(mark, options) {
    return {
      colour: mark.colour ?? options.colour ?? this.colourOf.get(mark.group) ?? this.palette[0],
      size: mark.size ?? options.size ?? 9,
      shape: mark.shape ?? options.shape ?? "circle",
      width: mark.width ?? options.width ?? 1,
    };
  }

  // Markers are smaller where the map shows much.
  shrunk() {
    const zoom = this.map.getZoom();
    return zoom < 3 ? 0.7 : zoom < 5 ? 0.85 : 1;
  }

  isHidden(mark) {
    return mark.group != null && this.hiddenGroups.has(mark.group);
  }

  paintAll(context, view) {
    const style = getComputedStyle(this.map.getContainer());
    const [halo, outline, ink] = ["halo", "outline", "ink"].map((name) => style.getPropertyValue(`--sl-map-${name}`).trim());
    const labels = [];
    const small = this.shrunk();
    for (const layer of this.layers.values()) {
      if (layer.kind === "lines") {
        layer.marks.forEach((mark, i) => {
          if (this.isHidden(mark)) return;
          const { colour, width } = layer.looks[i];
          this.stroke(context, view, layer.paths[i], colour, width);
        });
        continue;
      }
      for (let i = layer.marks.length - 1; i >= 0; i--) {
        if (this.isHidden(layer.marks[i])) continue;
        const { colour, size, shape } = layer.looks[i];
        const y = layer.y[i] * view.world - view.top;
        if (y < -30 || y > view.height + 30) continue;
        const key = `${shape}|${size * small}|${colour}`;
        let picture = this.sprites.get(key);
        if (!picture) this.sprites.set(key, (picture = sprite(shape, size * small, colour, outline)));
        for (const k of view.copies) {
          const x = (layer.x[i] + k) * view.world - view.left;
          if (x < -30 || x > view.width + 30) continue;
          context.drawImage(picture.canvas, x - picture.side / 2, y - picture.side / 2, picture.side, picture.side);
          const { label } = layer.marks[i];
          if (label && labels.length <= LABELS_MAX) labels.push([label, x + size / 2 + 5, y]);
        }
      }
    }
    writeLabels(context, labels, ink, halo);
  }

  paintMarked(context, view) {
    const style = getComputedStyle(this.map.getContainer());
    const [ink, accent] = ["ink", "accent"].map((name) => style.getPropertyValue(`--sl-map-${name}`).trim());
    const small = this.shrunk();
    const many = this.selected.size > 300; // wide rings would cover one another
    for (const [ids, colour, more, ring] of [
      [this.selected, ink, many ? 1 : 4, many ? 1.2 : 2],
      [this.highlighted, accent, 7, 3],
    ]) {
      for (const id of [...ids].reverse()) {
        const [layer, i] = this.find(id);
        if (!layer || this.isHidden(layer.marks[i])) continue;
        const look = layer.looks[i];
        if (layer.kind === "lines") {
          this.stroke(context, view, layer.paths[i], colour, look.width + 2);
          continue;
        }
        const path = shapePath(look.shape, look.size * small + more);
        for (const k of view.copies) {
          const [x, y] = [(layer.x[i] + k) * view.world - view.left, layer.y[i] * view.world - view.top];
          if (x < -30 || y < -30 || x > view.width + 30 || y > view.height + 30) continue;
          context.save();
          context.translate(x, y);
          context.fillStyle = look.colour;
          context.strokeStyle = colour;
          context.lineWidth = ring;
          context.fill(path);
          context.stroke(path);
          context.restore();
        }
      }
    }
  }

  stroke(context, view, path, colour, width) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    for (const k of [view.copies[0] - 1, ...view.copies, view.copies.at(-1) + 1]) {
      context.beginPath();
      for (let j = 0; j < path.length; j += 2) {
        context[j ? "lineTo" : "moveTo"]((path[j] + k) * view.world - view.left, path[j + 1] * view.world - view.top);
      }
      context.stroke();
    }
  }

  // What lies at a place of the map (in the unit square, ``world`` pixels wide), the topmost layer first.
  at(x, y, world, touch) {
    for (const layer of [...this.layers.values()].reverse()) {
      if (!layer.options.pick) continue;
      const i = layer.kind === "lines" ? this.lineAt(layer, x, y, 5 / world) : this.markerAt(layer, x, y, world, touch);
      if (i >= 0) return { layer: layer.name, mark: layer.marks[i] };
    }
    return null;
  }

  markerAt(layer, x, y, world, touch) {
    let [best, found] = [Infinity, -1];
    for (let i = 0; i < layer.marks.length; i++) {
      const dy = Math.abs(layer.y[i] - y) * world;
      if (dy > 22) continue;
      let dx = Math.abs(layer.x[i] - x) % 1;
      dx = Math.min(dx, 1 - dx) * world;
      const distance = Math.hypot(dx, dy);
      const reach = layer.looks[i].size / 2 + (touch ? 10 : 3);
      if (distance < reach && distance < best && !this.isHidden(layer.marks[i])) [best, found] = [distance, i];
    }
    return found;
  }

  lineAt(layer, x, y, reach) {
    let [best, found] = [reach, -1];
    layer.paths.forEach((path, i) => {
      if (this.isHidden(layer.marks[i])) return;
      for (let j = 2; j < path.length; j += 2) {
        const turn = Math.round(path[j] - x);
        const distance = toSegment(x + turn, y, path[j - 2], path[j - 1], path[j], path[j + 1]);
        if (distance < best) [best, found] = [distance, i];
      }
    });
    return found;
  }
}

function toSegment(x, y, ax, ay, bx, by) {
  const [dx, dy] = [bx - ax, by - ay];
  const t = Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1)));
  return Math.hypot(ax + t * dx - x, ay + t * dy - y);
}
