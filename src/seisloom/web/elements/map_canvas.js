// A canvas that covers the map and moves with it; whoever makes one says what is painted.
import { leaflet as L } from "nicegui-leaflet";

// Unit square of the Web Mercator projection: x east from the ±180° meridian, y south from 85.05° N; 1 is one world.
const MAX_LATITUDE = 85.0511287798;
export const unitX = (longitude) => (longitude + 180) / 360;
export function unitY(latitude) {
  const sine = Math.sin((Math.max(-MAX_LATITUDE, Math.min(MAX_LATITUDE, latitude)) * Math.PI) / 180);
  return 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI);
}
export const longitudeIn180 = (degrees) => degrees - 360 * Math.floor((degrees + 180) / 360);

// What a painter needs to know. World copy k shows a point (x, y) of the unit square at pixel
// ((x + k) * world - left, y * world - top); ``copies`` are the k that can be seen.
function viewOf(map, bounds, zoom) {
  const world = 256 * 2 ** zoom;
  const corner = bounds.min.add(map.getPixelOrigin());
  const size = bounds.getSize();
  const copies = [];
  for (let k = Math.floor(corner.x / world); k <= Math.floor((corner.x + size.x) / world); k++) copies.push(k);
  return { world, left: corner.x, top: corner.y, width: size.x, height: size.y, copies, zoom };
}

export const CanvasLayer = L.Renderer.extend({
  // paint(context, view) draws in CSS pixels.
  initialize(paint, pane) {
    L.Renderer.prototype.initialize.call(this, { padding: 0.3, pane });
    this._paint = paint;
  },
  getEvents() {
    return { ...L.Renderer.prototype.getEvents.call(this), move: this._onMove };
  },
  redraw() {
    if (!this._map || this._asked) return;
    this._asked = requestAnimationFrame(() => {
      this._asked = null;
      if (this._map) this._update();
    });
  },
  _initContainer() {
    this._container = document.createElement("canvas");
    this._container.setAttribute("aria-hidden", "true");
  },
  _destroyContainer() {
    cancelAnimationFrame(this._asked);
    this._asked = null;
    this._container.remove();
    delete this._container;
  },
  // Dragged beyond what is painted: paint anew, at most once a frame.
  _onMove() {
    if (this._map._animatingZoom || this._map.getZoom() !== this._zoom) return;
    const seen = L.bounds(
      this._map.containerPointToLayerPoint([0, 0]),
      this._map.containerPointToLayerPoint(this._map.getSize()),
    );
    if (!this._bounds.contains(seen)) this.redraw();
  },
  _update() {
    if (this._map._animatingZoom && this._bounds) return;
    L.Renderer.prototype._update.call(this);
    const [canvas, size, ratio] = [this._container, this._bounds.getSize(), window.devicePixelRatio || 1];
    L.DomUtil.setTransform(canvas, this._bounds.min, 1);
    canvas.width = Math.round(size.x * ratio);
    canvas.height = Math.round(size.y * ratio);
    canvas.style.width = `${size.x}px`;
    canvas.style.height = `${size.y}px`;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    this._paint(context, viewOf(this._map, this._bounds, this._zoom));
  },
});
