const [LEAST, MOST] = [20, 85];

export default {
  template: `<div class="sl-splitter" role="separator" aria-orientation="horizontal" tabindex="0" :title="label"
    :aria-label="label" :aria-valuenow="Math.round(share)" aria-valuemin="${LEAST}" aria-valuemax="${MOST}"
    @pointerdown="take" @pointermove="drag" @pointerup="held = false" @pointercancel="held = false"
    @dblclick="move(percent)" @keydown="step"></div>`,
  props: { label: String, remember: String, percent: Number },
  data() {
    return { share: Number(localStorage.getItem(`seisloom.split.${this.remember}`)) || this.percent, held: false };
  },
  mounted() {
    this.move(this.share);
  },
  methods: {
    move(share) {
      this.share = Math.max(LEAST, Math.min(MOST, share));
      this.$el.parentElement.style.setProperty("--sl-split", `${this.share}%`);
      localStorage.setItem(`seisloom.split.${this.remember}`, this.share);
    },
    take(event) {
      this.held = true;
      this.$el.setPointerCapture(event.pointerId);
    },
    drag(event) {
      if (!this.held) return;
      const { top, height } = this.$el.parentElement.getBoundingClientRect();
      this.move(((event.clientY - top) / height) * 100);
    },
    step(event) {
      const way = { ArrowUp: -4, ArrowDown: 4 }[event.key];
      if (!way) return;
      event.preventDefault();
      this.move(this.share + way);
    },
  },
};
