// What stands on the map and is used by hand: buttons, legend, rectangle, popups.
import { leaflet as L } from "nicegui-leaflet";
import { CanvasLayer, longitudeIn180, unitX, unitY } from "map_canvas";
import { shapePath } from "map_marks";

function make(tag, classes, parent, text) {
  const element = document.createElement(tag);
  element.className = classes;
  if (text !== undefined) element.textContent = text;
  parent?.append(element);
  return element;
}

// A corner of the map with buttons; each turns something on and off, or does something at once (toggle false).
// Returns, for each, a function that shows whether it is on.
export function addButtons(map, buttons) {
  const shown = [];
  const bar = new L.Control({ position: "topleft" });
  bar.onAdd = () => {
    const box = make("div", "leaflet-bar sl-map-buttons");
    L.DomEvent.disableClickPropagation(box);
    for (const { icon, title, toggle, on, act } of buttons) {
      const button = make("button", "", box);
      button.type = "button";
      make("i", "q-icon material-icons notranslate", button, icon).setAttribute("aria-hidden", "true");
      button.title = title;
      button.setAttribute("aria-label", title);
      const show = (state) => toggle && button.setAttribute("aria-pressed", String(state));
      show(Boolean(on));
      button.onclick = () => act(button.getAttribute("aria-pressed") !== "true", show);
      shown.push(show);
    }
    return box;
  };
  bar.addTo(map);
  return shown;
}

function swatch(colour, shape) {
  const canvas = make("canvas", "sl-map-swatch");
  canvas.width = canvas.height = 28;
  canvas.setAttribute("aria-hidden", "true");
  const context = canvas.getContext("2d");
  context.scale(2, 2);
  context.translate(7, 7);
  context.fillStyle = colour;
  context.fill(shapePath(shape, 9));
  return canvas;
}

// Groups (a click hides or shows one) and entries that a page adds.
export class Legend {
  constructor(map, onHidden) {
    this.onHidden = onHidden;
    this.hidden = new Set();
    this.groups = [];
    this.extra = null;
    const control = new L.Control({ position: "bottomright" });
    control.onAdd = () => {
      this.box = make("div", "sl-map-legend");
      L.DomEvent.disableClickPropagation(this.box);
      L.DomEvent.disableScrollPropagation(this.box);
      return this.box;
    };
    control.addTo(map);
    this.render();
  }

  setGroups(groups) {
    this.groups = groups;
    const names = new Set(groups.map((group) => group.name));
    for (const name of this.hidden) if (!names.has(name)) this.hidden.delete(name);
    this.onHidden(this.hidden);
    this.render();
  }

  setExtra(title, entries) {
    this.extra = entries && { title, entries };
    this.render();
  }

  render() {
    this.box.replaceChildren();
    const others = this.groups.filter((group) => !group.named);
    for (const group of this.groups.filter((each) => each.named)) this.button(group.name, [group], group.count);
    if (others.length === 1) this.button(others[0].name, others, others[0].count);
    if (others.length > 1) {
      const count = others.reduce((sum, group) => sum + group.count, 0);
      this.button(`${others.length} others`, others, count, others.map((group) => group.name).join(", "));
    }
    if (this.extra) {
      if (this.extra.title) make("div", "sl-map-legend-title", this.box, this.extra.title);
      for (const { label, colour, shape } of this.extra.entries) {
        const row = make("div", "sl-map-legend-row", this.box);
        row.append(swatch(colour, shape ?? "circle"), label);
      }
    }
    this.box.hidden = !this.box.childElementCount;
  }

  button(label, groups, count, title) {
    const button = make("button", "sl-map-legend-row", this.box);
    button.type = "button";
    button.title = `${title ?? label}: click to hide or show`;
    const shown = !groups.every((group) => this.hidden.has(group.name));
    button.setAttribute("aria-pressed", String(shown));
    button.append(swatch(groups[0].colour, "circle"), make("span", "sl-map-legend-name", null, label));
    make("span", "sl-map-legend-count", button, count.toLocaleString("en"));
    button.onclick = () => {
      for (const group of groups) this.hidden[shown ? "add" : "delete"](group.name);
      this.onHidden(this.hidden);
      const place = [...this.box.children].indexOf(button);
      this.render();
      this.box.children[place]?.focus();
    };
  }
}

// The rectangle [west, south, east, north]: shown, and drawn with the pointer (mouse, pen or finger).
export class Box {
  constructor(map, onDrawn, onState) {
    Object.assign(this, { map, onDrawn, onState, box: null, drawing: false });
    map.createPane("box").style.zIndex = 440;
    map.getPane("box").style.pointerEvents = "none";
    this.layer = new CanvasLayer((context, view) => this.paint(context, view), "box").addTo(map);
    this.cover = make("div", "sl-map-cover", map.getContainer());
    this.cover.hidden = true;
    L.DomEvent.disableClickPropagation(this.cover);
    this.cover.onpointerdown = (event) => this.start(event);
    this.cover.onpointermove = (event) => this.stretch(event);
    this.cover.onpointerup = (event) => this.finish(event);
    this.cover.onpointercancel = () => this.cancel();
    map.getContainer().addEventListener("keydown", (event) => event.key === "Escape" && this.draw(false));
  }

  set(box) {
    this.box = box;
    this.layer.redraw();
  }

  draw(on) {
    this.drawing = on;
    this.from = null;
    this.cover.hidden = !on;
    this.onState(on);
  }

  place(event) {
    const { lat, lng } = this.map.containerPointToLatLng(this.map.mouseEventToContainerPoint(event));
    return [Math.max(-90, Math.min(90, lat)), lng];
  }

  start(event) {
    if (!event.isPrimary) return;
    this.before = this.box;
    this.from = this.place(event);
    this.cover.setPointerCapture(event.pointerId);
  }

  stretch(event) {
    if (!this.from) return;
    const [[lat, lon], [lat0, lon0]] = [this.place(event), this.from];
    const [west, east] = [Math.min(lon, lon0), Math.max(lon, lon0)];
    const round = (degrees) => Number(degrees.toFixed(Math.max(2, Math.ceil(this.map.getZoom() / 3))));
    const whole = east - west >= 360;
    this.set([
      whole ? -180 : round(longitudeIn180(west)),
      round(Math.min(lat, lat0)),
      whole ? 180 : round(longitudeIn180(east)),
      round(Math.max(lat, lat0)),
    ]);
    this.moved = true;
  }

  finish(event) {
    if (!this.from) return;
    this.stretch(event);
    const [west, south, east, north] = this.box;
    if (west === east || south === north) return this.cancel(); // a click is no rectangle
    this.draw(false);
    this.onDrawn(this.box);
  }

  cancel() {
    this.from = null;
    this.set(this.before ?? null);
  }

  paint(context, view) {
    if (!this.box) return;
    const accent = getComputedStyle(this.map.getContainer()).getPropertyValue("--sl-map-accent").trim();
    const [west, south, east, north] = this.box;
    const x = unitX(west) * view.world - view.left;
    const y = unitY(north) * view.world - view.top;
    const width = ((east < west ? east + 360 : east) - west) / 360 * view.world;
    const height = unitY(south) * view.world - view.top - y;
    context.strokeStyle = context.fillStyle = accent;
    context.lineWidth = 2;
    for (const k of [view.copies[0] - 1, ...view.copies]) {
      context.globalAlpha = 0.08;
      context.fillRect(x + k * view.world, y, width, height);
      context.globalAlpha = 1;
      context.strokeRect(x + k * view.world, y, width, height);
    }
  }
}

// Spans of time (fractions of a whole) as bars, a line each with its name and a number.
function bars({ title, bars: lines }) {
  const box = make("div", "sl-map-bars");
  make("div", "sl-map-bars-title sl-muted", box, title);
  for (const { label, spans, text } of lines) {
    make("span", "", box, label);
    const line = make("span", "sl-map-bar", box);
    for (const [from, to] of spans) {
      const piece = make("span", "", line);
      piece.style.left = `${100 * from}%`;
      piece.style.width = `max(1px, ${100 * (to - from)}%)`;
    }
    make("span", "sl-map-bars-text", box, text);
  }
  return box;
}

// The content of a popup as elements; everything in it is text. ``act`` hears which of its actions is wanted.
export function popupContent({ title, subtitle, rows, table, availability, note, link, actions }, act) {
  const box = make("div", "sl-map-popup");
  if (title) make("div", "sl-map-popup-title", box, title);
  if (subtitle) make("div", "sl-muted", box, subtitle);
  if (rows?.length) {
    const list = make("dl", "sl-map-popup-rows", box);
    for (const [name, value] of rows) {
      make("dt", "", list, name);
      make("dd", "", list, value);
    }
  }
  if (table?.length) {
    const [frame, cells] = [make("div", "sl-map-popup-table", box), make("table", "")];
    frame.append(cells);
    frame.tabIndex = 0;
    table.forEach((row, i) => {
      const line = make("tr", "", cells);
      for (const cell of row) make(i ? "td" : "th", "", line, cell);
    });
  }
  if (availability) box.append(bars(availability));
  if (note) make("div", "sl-muted sl-map-popup-note", box, note);
  if (link) make("a", "", box, link[0]).href = link[1];
  for (const [text, action] of actions ?? []) {
    const button = make("button", "sl-map-popup-action", box, text);
    button.type = "button";
    button.onclick = () => act(action);
  }
  return box;
}
