// The jobs of one kind, newest first, with their states; a click or Enter chooses one.
import { STATES, ago, board, duration, join, leave, place, refresh, share, stage, titleOf } from "job_board";

export default {
  props: { kind: String, selected: String, empty: String },
  emits: ["select"],
  data: () => ({ words: "", state: "", STATES }),
  mounted: join,
  unmounted: leave,
  computed: {
    loaded: () => board.jobs !== null,
    fault: () => board.fault,
    mine() {
      return (board.jobs ?? []).filter((job) => !this.kind || job.kind === this.kind);
    },
    states() {
      const there = Object.keys(STATES).map((name) => [name, this.mine.filter((job) => job.state === name).length]);
      return there.filter(([name, number]) => number || name === this.state);
    },
    shown() {
      const words = this.words.trim().toLowerCase();
      const fits = (job) => `${titleOf(job)} ${job.id} ${job.message}`.toLowerCase().includes(words);
      return this.mine.filter((job) => (!this.state || job.state === this.state) && fits(job));
    },
  },
  methods: {
    titleOf,
    share,
    refresh,
    line(job) {
      if (job.state === "waiting") return place(job);
      if (job.state === "failed" && job.message) return job.message;
      if (job.state !== "running") return ago(job.ended ?? job.submitted);
      const left = board.progress[job.id]?.seconds_left;
      return left == null ? stage(job) : `${stage(job)}, ${duration(left)} left`;
    },
    percent(job) {
      const done = share(job);
      return job.state === "running" && done !== null ? `${Math.floor(done * 100)} %` : "";
    },
    step(event, by) {
      const rows = [...this.$refs.rows.querySelectorAll("button")];
      rows[rows.indexOf(event.target.closest("button")) + by]?.focus();
    },
  },
  template: `
    <div class="sl-jobs">
      <div v-if="mine.length > 1" class="sl-jobs-filter">
        <label class="sl-jobs-search"><q-icon name="search" aria-hidden="true" />
          <input v-model="words" type="search" placeholder="Filter" aria-label="Filter jobs by name" /></label>
        <div class="sl-jobs-states" role="group" aria-label="States">
          <button type="button" :aria-pressed="String(!state)" @click="state = ''">All {{ mine.length }}</button>
          <button v-for="[name, number] in states" :key="name" type="button" :aria-pressed="String(state === name)"
            @click="state = state === name ? '' : name">{{ STATES[name].word }} {{ number }}</button>
        </div>
      </div>
      <div class="sl-jobs-fault" role="status">{{ fault }}</div>
      <ul v-if="shown.length" ref="rows" class="sl-jobs-rows" aria-label="Jobs">
        <li v-for="job in shown" :key="job.id">
          <button type="button" class="sl-job" :class="'sl-is-' + job.state" :data-job="job.id"
            :aria-current="job.id === selected ? 'true' : null" @click="$emit('select', job.id)"
            @keydown.down.prevent="step($event, 1)" @keydown.up.prevent="step($event, -1)">
            <q-icon :name="STATES[job.state].icon" class="sl-state-icon" aria-hidden="true" />
            <span class="sl-job-name">{{ titleOf(job) }}</span>
            <span class="sl-job-state">{{ STATES[job.state].word }} {{ percent(job) }}</span>
            <span class="sl-job-line">{{ line(job) }}</span>
            <span class="sl-job-bar" aria-hidden="true"><span v-if="job.state === 'running'"
              :style="{ width: (share(job) ?? 0) * 100 + '%' }"></span></span>
          </button>
        </li>
      </ul>
      <div v-else-if="loaded && mine.length" class="sl-empty">No job fits the filter.</div>
      <div v-else-if="loaded" class="sl-empty">{{ empty }}</div>
      <div v-else class="sl-empty">Loading…</div>
    </div>`,
};
