const STALE_MS = 120; // a picture that is there sooner takes the place of the old one without a sign
// Pixels: of the screen, but the first of the picture.
const MOST = 2000;
const [LEAST_WIDTH, LEAST_HEIGHT] = [480, 480];
const BELOW = 48; // for what stands below the picture

// A number as precise as a place in a picture is.
const rounded = (value, span) => value.toFixed(Math.max(0, 2 - Math.floor(Math.log10(Math.abs(span) || 1))));
const WORDS = {
  lag_s: (value, span) => `lag ${rounded(value, span)} s`,
  distance_km: (value, span) => `${rounded(value, span)} km`,
  correlation: () => "",
  time: (value) => new Date(value).toISOString().slice(0, 10),
  latitude: (value, span) => `${rounded(value, span)}° N`,
  longitude: (value, span) => `${rounded(value, span)}° E`,
};
const place = (quantity, value) => (quantity === "time" ? Date.parse(value) : value);

export default {
  template: `
    <figure class="sl-picture" :class="{ 'sl-picture-stale': stale, 'sl-picture-none': !shown }" :aria-busy="String(busy)">
      <div class="sl-picture-line" role="presentation"></div>
      <div v-if="shown" class="sl-picture-room">
        <div class="sl-picture-paper" ref="paper" :class="{ 'sl-picture-aim': pointed }"
          @pointermove="point" @pointerleave="pointed = null" @click="pick">
          <img :src="shown" :alt="label" :width="size[0]" :height="size[1]" draggable="false" />
          <template v-if="pointed">
            <div class="sl-picture-down" :style="{ left: pointed.left, top: pointed.top, height: pointed.height }"></div>
            <div class="sl-picture-across" :style="pointed.across"></div>
            <div class="sl-picture-place">{{ pointed.words }}</div>
          </template>
        </div>
      </div>
      <div v-if="fault" class="sl-picture-fault" role="alert">{{ fault }}</div>
      <div v-else-if="!shown" class="sl-picture-wait" role="status">{{ busy ? "Drawing …" : "" }}</div>
    </figure>`,
  props: { label: String },
  data: () => ({ shown: "", size: [0, 0], stale: false, busy: false, fault: "", pointed: null }),
  created() {
    this.address = "";
    this.axes = [];
  },
  mounted() {
    [this.width] = this.wanted();
    this.sizes = new ResizeObserver(() => {
      clearTimeout(this.settling);
      this.settling = setTimeout(() => this.wanted()[0] > this.width * 1.15 && this.reload(), 300);
    });
    this.sizes.observe(this.$el);
  },
  unmounted() {
    this.sizes.disconnect();
    this.asked?.abort();
    URL.revokeObjectURL(this.shown);
  },
  methods: {
    // The width that there is, and the height down to the end of the window (on a small one what it takes to read it):
    // the picture fills one of them, sharp to the pixel.
    wanted() {
      const ratio = window.devicePixelRatio || 1;
      const within = (pixels) => Math.min(MOST, Math.floor(pixels * ratio));
      const { width } = this.$el.getBoundingClientRect();
      const top = this.$el.getBoundingClientRect().top + window.scrollY;
      if (width < LEAST_WIDTH) return [within(LEAST_WIDTH), MOST];
      return [within(width), within(Math.max(LEAST_HEIGHT, window.innerHeight - top - BELOW))];
    },
    show(address) {
      if (address === this.address) return;
      this.address = address;
      this.reload();
    },
    async reload() {
      this.asked?.abort();
      const asked = (this.asked = new AbortController());
      clearTimeout(this.sign);
      if (!this.address) return this.end();
      this.busy = true;
      this.sign = setTimeout(() => (this.stale = Boolean(this.shown)), STALE_MS);
      try {
        await this.load(asked);
      } catch (error) {
        if (asked !== this.asked) return; // another picture is under way
        this.fault = error.status ? error.message : "The server does not answer. Is it still running?";
        this.stale = Boolean(this.shown);
        this.$emit("failed", { status: error.status ?? 0, detail: this.fault });
      }
      if (asked === this.asked) this.busy = false;
    },
    async load(asked) {
      const [began, [width, height]] = [performance.now(), this.wanted()];
      this.width = width;
      const answer = await fetch(`${this.address}&width=${width}&height=${height}`, { signal: asked.signal });
      if (!answer.ok) {
        const { detail } = await answer.json().catch(() => ({ detail: `The server answered ${answer.status}.` }));
        throw Object.assign(new Error(detail), { status: answer.status });
      }
      const url = URL.createObjectURL(await answer.blob());
      const image = new Image();
      image.src = url;
      await image.decode();
      if (asked !== this.asked) return URL.revokeObjectURL(url);
      const ratio = window.devicePixelRatio || 1;
      this.end(url, [image.naturalWidth, image.naturalHeight].map((pixels) => pixels / ratio));
      const seconds = (performance.now() - began) / 1000;
      this.$el.dataset.seconds = seconds.toFixed(3);
      this.$el.dataset.address = this.address;
      this.$emit("drawn", { seconds });
      const axes = await fetch(this.address.replace(".png?", ".json?"), { signal: asked.signal });
      if (axes.ok && asked === this.asked) this.axes = await axes.json();
      this.$el.dataset.axes = this.address;
    },
    end(url = "", size = [0, 0]) {
      const before = this.shown;
      clearTimeout(this.sign);
      Object.assign(this, { shown: url, size, stale: false, busy: false, fault: "", pointed: null, axes: [] });
      if (before) this.$nextTick(() => URL.revokeObjectURL(before));
    },
    // What of the picture the pointer is at, in its own quantities.
    at(event) {
      const { left, top, width, height } = this.$refs.paper.getBoundingClientRect();
      const [across, down] = [(event.clientX - left) / width, (event.clientY - top) / height];
      for (const axes of this.axes) {
        const { box, x, y } = axes;
        const [u, v] = [(across - box.left) / box.width, (down - box.top) / box.height];
        if (!(u >= 0 && u <= 1 && v >= 0 && v <= 1)) continue;
        const [upper, lower] = [place(y.quantity, y.top), place(y.quantity, y.bottom)];
        return { axes, across, down, x: x.left + u * (x.right - x.left), y: upper + v * (lower - upper), dy: lower - upper };
      }
      return null;
    },
    point(event) {
      const found = event.pointerType === "touch" || this.stale ? null : this.at(event);
      if (!found) return (this.pointed = null);
      const { box, x, y } = found.axes;
      const percent = (part) => `${100 * part}%`;
      const words = [WORDS[x.quantity](found.x, x.right - x.left), WORDS[y.quantity](found.y, found.dy)];
      this.pointed = {
        left: percent(found.across), top: percent(box.top), height: percent(box.height),
        across: { top: percent(found.down), left: percent(box.left), width: percent(box.width) },
        words: words.filter(Boolean).join(" · "),
      };
    },
    pick(event) {
      const found = this.stale ? null : this.at(event);
      if (found) this.$emit("pick", { name: found.axes.name, x: found.x, y: found.y });
    },
  },
};
