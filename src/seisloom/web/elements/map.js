import { leaflet as L } from "nicegui-leaflet";
import { loadResource } from "../../static/utils/resources.js";
import { BaseMap, onlineTiles } from "map_base";
import { unitX, unitY } from "map_canvas";
import { Marks } from "map_marks";
import { addButtons, Box, Legend, popupContent } from "map_tools";

const TILES_KEY = "seisloom.tiles"; // in the browser, for all maps
const GRATICULE_KEY = "seisloom.graticule";

export default {
  template: '<div class="sl-map" role="region" :aria-label="label"></div>',
  props: {
    label: String,
    boxTool: Boolean,
    remember: String,
    palette: Array,
    baseUrl: String,
    baseVersion: String,
    resourcePath: String,
  },
  created() {
    this.ready = new Promise((resolve) => (this.isReady = resolve));
  },
  async mounted() {
    await this.$nextTick(); // wait for window.path_prefix to be set
    await loadResource(`${window.path_prefix}${this.resourcePath}/leaflet/leaflet.css`);
    const map = L.map(this.$el, {
      ...this.firstView(),
      minZoom: 1,
      maxZoom: 17,
      zoomSnap: 0.5,
      wheelPxPerZoomLevel: 90,
      zoomControl: false,
      maxBounds: [[-88, -36000], [88, 36000]],
      maxBoundsViscosity: 1,
    });
    this.map = map;
    map.attributionControl.setPrefix(false).addAttribution("Natural Earth");
    L.control.zoom({ position: "topleft", zoomInTitle: "Zoom in", zoomOutTitle: "Zoom out" }).addTo(map);
    L.control.scale({ position: "bottomleft", imperial: false }).addTo(map);
    this.base = new BaseMap(map, window.path_prefix + this.baseUrl, this.baseVersion);
    this.legend = new Legend(map, (hidden) => this.marks?.setHidden(hidden));
    this.marks = new Marks(map, this.palette, (groups) => this.legend.setGroups(groups));
    this.addTools();
    this.listen();
    this.isReady();
    while (window.socket?.id === undefined) await new Promise((resolve) => setTimeout(resolve, 20)); // nobody would hear it
    this.$emit("ready");
  },
  unmounted() {
    this.themes?.disconnect();
    this.sizes?.disconnect();
    this.map?.remove();
  },
  methods: {
    firstView() {
      try {
        const { latitude, longitude, zoom } = JSON.parse(sessionStorage.getItem(`seisloom.view.${this.remember}`));
        if (this.remember) return { center: [latitude, longitude], zoom };
      } catch {
        // nothing kept
      }
      return { center: [20, 0], zoom: 1.5 };
    },
    addTools() {
      const buttons = [];
      if (this.boxTool) {
        buttons.push({ icon: "highlight_alt", title: "Draw a rectangle", toggle: true, act: (on) => this.box.draw(on) });
      }
      buttons.push({ icon: "zoom_out_map", title: "Show everything", act: () => this.fit() });
      const lines = (on, show) => {
        this.base.graticule = on;
        show(on);
        localStorage.setItem(GRATICULE_KEY, on ? "on" : "off");
        this.base.redraw();
      };
      this.base.graticule = localStorage.getItem(GRATICULE_KEY) === "on";
      buttons.push({ icon: "grid_4x4", title: "Grid of degrees", toggle: true, on: this.base.graticule, act: lines });
      const tiles = (on, show) => {
        this.showTiles(on);
        show(on);
        localStorage.setItem(TILES_KEY, on ? "on" : "off");
      };
      const online = localStorage.getItem(TILES_KEY) === "on";
      if (online) this.showTiles(true);
      buttons.push({ icon: "public", title: "Online map (OpenStreetMap)", toggle: true, on: online, act: tiles });
      const [first] = addButtons(this.map, buttons);
      this.box = new Box(this.map, (box) => this.$emit("box", box), this.boxTool ? first : () => {});
    },
    showTiles(on) {
      this.tiles ??= onlineTiles(this.map);
      this.map.options.zoomSnap = on ? 1 : 0.5; // pictures are sharp at whole zooms only
      if (on) this.map.setZoom(Math.round(this.map.getZoom())).addLayer(this.tiles);
      else this.tiles.remove();
    },
    listen() {
      const map = this.map;
      const found = (event) => {
        const { lat, lng } = event.latlng;
        const touch = event.originalEvent.pointerType === "touch";
        return this.marks.at(unitX(lng), unitY(lat), 256 * 2 ** map.getZoom(), touch);
      };
      this.tip = L.tooltip({ direction: "top", offset: [0, -8], className: "sl-map-tip", opacity: 1 });
      map.on("mousemove", (event) => this.point(found(event), event.latlng));
      map.on("mouseout", () => this.point(null));
      map.on("click", (event) => {
        const hit = found(event);
        if (!hit) return this.$emit("nothing");
        this.clicked = { id: hit.mark.id, longitude: event.latlng.lng };
        this.$emit("pick", { layer: hit.layer, id: hit.mark.id, shift: event.originalEvent.shiftKey });
      });
      map.on("moveend", () => {
        const { lat, lng } = map.getCenter();
        const view = { latitude: lat, longitude: lng, zoom: map.getZoom() };
        if (this.remember) sessionStorage.setItem(`seisloom.view.${this.remember}`, JSON.stringify(view));
        this.$emit("view", view);
      });
      this.themes = new MutationObserver(() => {
        this.base.redraw();
        this.marks.restyle();
        this.box.layer.redraw();
      });
      this.themes.observe(document.body, { attributes: true, attributeFilter: ["class"] });
      this.sizes = new ResizeObserver(() => map.invalidateSize({ pan: false }));
      this.sizes.observe(this.$el);
    },
    point(hit, latlng) {
      const id = hit?.mark.id ?? null;
      if (id === this.pointed) return;
      this.pointed = id;
      this.$el.style.cursor = id === null ? "" : "pointer";
      this.marks.highlight(id === null ? [] : [id]);
      this.$emit("hover", hit && { layer: hit.layer, id });
      if (!hit) return this.tip.remove();
      const words = document.createElement("span");
      words.textContent = hit.mark.title ?? id;
      const { latitude, longitude } = hit.mark;
      this.tip.setLatLng(latitude === undefined ? latlng : this.copyNear(latitude, longitude, latlng.lng));
      this.tip.setContent(words).addTo(this.map);
    },
    copyNear(latitude, longitude, near) {
      return [latitude, longitude + 360 * Math.round((near - longitude) / 360)];
    },
    async set_markers(layer, markers, options = {}) {
      await this.ready;
      this.marks.setMarkers(layer, markers, options);
      if (options.fit) this.fit(layer);
    },
    async set_lines(layer, lines, options = {}) {
      await this.ready;
      this.marks.setLines(layer, lines, options);
    },
    async set_legend(title, entries) {
      await this.ready;
      this.legend.setExtra(title, entries);
    },
    async select(ids) {
      await this.ready;
      this.marks.select(ids);
    },
    async highlight(ids) {
      await this.ready;
      this.marks.highlight(ids);
    },
    // All markers of a layer (of all layers without one), by the shortest way around the world; the rectangle too.
    async fit(layer) {
      await this.ready;
      const places = [];
      for (const each of this.marks.layers.values()) {
        if (each.kind !== "markers" || (layer && each.name !== layer)) continue;
        for (const { latitude, longitude } of each.marks) places.push([latitude, longitude]);
      }
      if (!places.length && this.box.box) return this.fitBox();
      if (!places.length) return this.map.setView([20, 0], 1.5);
      const longitudes = Float64Array.from(places, (place) => place[1]).sort();
      let [gap, west] = [longitudes[0] + 360 - longitudes.at(-1), longitudes[0]];
      for (let i = 1; i < longitudes.length; i++) {
        if (longitudes[i] - longitudes[i - 1] > gap) [gap, west] = [longitudes[i] - longitudes[i - 1], longitudes[i]];
      }
      const latitudes = Float64Array.from(places, (place) => place[0]).sort();
      const bounds = [[latitudes[0], west], [latitudes.at(-1), west + 360 - gap]];
      this.map.fitBounds(bounds, { padding: [30, 30], maxZoom: 9 });
    },
    async show(id) {
      await this.ready;
      const [layer, i] = this.marks.find(id);
      if (layer?.kind !== "markers") return;
      const { latitude, longitude } = layer.marks[i];
      const place = this.copyNear(latitude, longitude, this.map.getCenter().lng);
      if (!this.map.getBounds().pad(-0.05).contains(place)) this.map.panTo(place);
    },
    async set_box(box) {
      await this.ready;
      this.box.set(box);
    },
    async show_box() {
      await this.ready;
      if (this.box.box && !this.seen(this.box.box)) this.fitBox();
    },
    seen([west, south, east, north]) {
      const view = this.map.getBounds();
      const turn = 360 * Math.floor((view.getEast() - west) / 360); // the easternmost copy that begins within the view
      const end = turn + (east < west ? east + 360 : east);
      return south < view.getNorth() && north > view.getSouth() && end > view.getWest();
    },
    fitBox() {
      const [west, south, east, north] = this.box.box;
      this.map.fitBounds([[south, west], [north, east < west ? east + 360 : east]], { padding: [40, 40], maxZoom: 9 });
    },
    async draw_box(on) {
      await this.ready;
      this.box.draw(on);
    },
    async popup(id, content) {
      await this.ready;
      if (!content) return this.map.closePopup();
      const [layer, i] = this.marks.find(id);
      if (layer?.kind !== "markers") return;
      const { latitude, longitude } = layer.marks[i];
      const near = this.clicked?.id === id ? this.clicked.longitude : this.map.getCenter().lng;
      this.tip.remove();
      if (this.opened?.id !== id || !this.opened.popup.isOpen()) {
        const maxHeight = Math.max(150, this.map.getSize().y - 80);
        const popup = L.popup({ maxWidth: 440, minWidth: 220, maxHeight, className: "sl-map-popup-frame" });
        popup.setLatLng(this.copyNear(latitude, longitude, near));
        this.opened = { id, popup };
      }
      this.opened.content = content;
      this.opened.popup.setContent(popupContent(content, (action) => this.$emit("action", { id, action })));
      if (!this.opened.popup.isOpen()) this.opened.popup.openOn(this.map);
    },
    async amend_popup(id, more) {
      if (this.opened?.id === id && this.opened.popup.isOpen()) await this.popup(id, { ...this.opened.content, ...more });
    },
  },
};
