// One job, live: how far it is, what came of it, what to know of it, and what can be done with it.
import { STATES, api, board, count, duration, join, leave, place, refresh, share, stage, titleOf, utc } from "job_board";

// Of the result, what is said elsewhere.
const TOLD = ["folder", "message", "problems", "seconds"];
const SHOWN = 200; // warnings and files drawn; all are in problems.csv and in the archive
const EVERY = 3; // turns of the board between two questions for warnings and log while a job runs

const nothing = () => ({ problems: { problems: [], count: 0 }, log: { log: [], text: "" }, files: { files: [], count: 0 }, fault: "", unread: "" });

export default {
  props: { job_id: String, kind: String, links: Array, empty: String, reusable: Boolean },
  emits: ["deleted", "reuse"],
  data: () => ({ STATES, ...nothing(), asks: false, busy: false, open: { warnings: true } }),
  mounted: join,
  unmounted: leave,
  computed: {
    job() {
      return board.jobs?.find((job) => job.id === this.job_id);
    },
    loaded: () => board.jobs !== null,
    turn: () => board.turn,
    progress() {
      return board.progress[this.job_id] ?? {};
    },
    done() {
      return this.job ? share(this.job) : null;
    },
    ended() {
      return ["done", "failed", "cancelled"].includes(this.job?.state);
    },
    where() {
      return `/jobs/${encodeURIComponent(this.job_id)}`;
    },
    headline() {
      const job = this.job;
      if (job.state === "waiting") return [job.message, `${place(job)}.`].filter(Boolean).join("\n");
      if (job.state === "running") return stage(job);
      return job.message || { done: "Finished.", failed: "It failed.", cancelled: "Cancelled; what was made stays." }[job.state];
    },
    facts() {
      const p = this.progress;
      const of = (some, all) => (all == null ? "–" : `${count(some ?? 0)} of ${count(all)}`);
      const until = this.ended ? Date.parse(this.job.ended) : board.now;
      const took = this.job.started ? (until - Date.parse(this.job.started)) / 1000 : null;
      const own = this.job.kind === "correlation"
        ? [["Day", p.day ?? "–"], ["Days done", of(p.days_done, p.days)], ["Channels of the day", of(p.channels_done, p.channels)],
          ["Pairs of the day", of(p.pairs_done, p.pairs)], ["Rate", p.rate_pairs_s ? `${count(Math.round(p.rate_pairs_s))} pairs/s` : "–"]]
        : [...(p.total > 1 ? [["Done", of(p.done, p.total)]] : []), ...(p.events ? [["Events so far", count(p.events)]] : [])];
      if (this.ended) return [...this.results, ["Took", duration(took)]];
      return [...own, ["Time so far", duration(took)], ["Time left", duration(p.seconds_left)]];
    },
    results() {
      const plain = ([name, value]) => ["number", "string"].includes(typeof value) && !TOLD.includes(name);
      const words = (name) => `${name[0].toUpperCase()}${name.slice(1)}`.replace(/_s$/, ", s").replaceAll("_", " ");
      const told = (value) => (typeof value === "number" ? count(value) : /^\d{4}-\d\d-\d\dT/.test(value) ? utc(value) : value);
      const shown = Object.entries(this.job.result ?? {}).filter(plain);
      return shown.map(([name, value]) => [words(name), told(value)]);
    },
    silence() {
      const seconds = this.job.state === "running" ? board.silent[this.job_id] : 0;
      return seconds ? `No sign of life from the worker for ${duration(seconds)}. Another one takes the job over if it stays so.` : "";
    },
    desertion() {
      const waits = this.job.state === "waiting" && board.deserted;
      return waits ? "No worker takes it up: start one with “seisloom work WORKSPACE” on any machine that reaches the workspace of this app." : "";
    },
    shownProblems() {
      return this.problems.problems.toReversed();
    },
    // The pieces of an archive, and the marks of days, are many, and of no use one by one.
    shownFiles() {
      return this.files.files.filter((file) => !/\.zarr\/|^(done|incomplete)\//.test(file.path)).slice(0, SHOWN);
    },
  },
  watch: {
    job_id() {
      Object.assign(this, nothing(), { asks: false });
      this.look();
    },
    // A job that has just been launched beside it is brought into view.
    async "job.id"(id) {
      await this.$nextTick();
      if (id && this.reusable) this.$el.scrollIntoView({ block: "nearest", behavior: "smooth" });
    },
    "job.state"() {
      this.look();
    },
    turn(now) {
      if (this.job?.state === "running" && !this.busy && now % EVERY === 0) this.look(); // it may be being deleted
    },
  },
  methods: {
    titleOf, utc, count,
    async look() {
      const job = this.job;
      if (!job) return;
      let unread = "";
      const part = async (name, query) => {
        try {
          return await api("GET", `${this.where}/${name}?${query}`);
        } catch (fault) {
          if (fault.status !== 404) unread = fault.message;
          return this[name];
        }
      };
      const [problems, log, files] = await Promise.all([
        part("problems", `limit=${SHOWN}`),
        this.open.log ? part("log", "lines=200") : this.log,
        this.open.files ? part("files", "limit=10000") : this.files,
      ]);
      if (job.id === this.job_id) Object.assign(this, { problems, log, files, unread });
    },
    unfold(part, open) {
      this.open[part] = open;
      if (open) this.look();
    },
    async act(method, path) {
      this.busy = true;
      this.fault = "";
      try {
        await api(method, this.where + path);
        await refresh();
      } catch (fault) {
        this.fault = fault.message;
      }
      this.busy = false;
    },
    async remove() {
      this.asks = false;
      await this.act("DELETE", "");
      if (!this.fault) this.$emit("deleted", this.job_id);
    },
    link(target) {
      return target.replace("{id}", encodeURIComponent(this.job_id));
    },
    file(path) {
      return `api${this.where}/files/${path.split("/").map(encodeURIComponent).join("/")}`;
    },
    size(bytes) {
      const power = bytes < 1000 ? 0 : Math.min(4, Math.floor(Math.log10(bytes) / 3));
      return `${(bytes / 1000 ** power).toFixed(power ? 1 : 0)} ${["B", "kB", "MB", "GB", "TB"][power]}`;
    },
  },
  template: `
    <section v-if="job" class="sl-jobpanel" :class="'sl-is-' + job.state" :aria-label="'Job ' + titleOf(job)">
      <header>
        <q-icon :name="STATES[job.state].icon" class="sl-state-icon" aria-hidden="true" />
        <h2 class="sl-title">{{ titleOf(job) }}</h2>
        <span class="sl-job-state">{{ STATES[job.state].word }}</span>
        <span class="sl-jobpanel-actions">
          <q-btn v-if="!ended" flat dense no-caps icon="stop" label="Cancel" :disable="busy" @click="act('POST', '/cancel')" />
          <q-btn v-if="ended" flat dense no-caps icon="replay" label="Retry" :disable="busy" @click="act('POST', '/retry')" />
          <q-btn flat dense no-caps icon="delete" label="Delete" :disable="busy" @click="asks = true" />
        </span>
      </header>
      <p class="sl-jobpanel-headline" :class="{ 'sl-told': ended && job.message }" role="status">{{ headline }}</p>
      <div class="sl-jobpanel-bar" role="progressbar" aria-valuemin="0" aria-valuemax="100"
        :aria-valuenow="done === null ? null : Math.floor(done * 100)" aria-label="Done">
        <span :style="{ width: (done ?? 0) * 100 + '%' }"></span></div>
      <dl class="sl-jobpanel-facts">
        <div v-for="[name, value] in facts" :key="name"><dt>{{ name }}</dt><dd>{{ value }}</dd></div>
      </dl>
      <p v-if="fault || unread || silence || desertion" class="sl-jobpanel-fault" role="alert">{{ fault || unread || silence || desertion }}</p>
      <nav v-if="job.kind === kind" class="sl-jobpanel-links" aria-label="What to do with it">
        <template v-if="job.state === 'done'">
          <q-btn v-for="[label, target, icon] in links" :key="target" unelevated no-caps color="primary" :icon="icon" :label="label"
            type="a" :href="link(target)" />
          <q-btn outline no-caps color="primary" icon="folder_zip" label="All files" type="a" :href="'api' + where + '/archive'" />
        </template>
        <q-btn v-if="reusable" flat dense no-caps color="primary" icon="content_copy" label="Use its settings" @click="$emit('reuse', job_id)" />
      </nav>
      <details :open="open.warnings" @toggle="unfold('warnings', $event.target.open)">
        <summary>Warnings <b>{{ count(problems.count) }}</b></summary>
        <div v-if="problems.count" class="sl-jobpanel-scroll" tabindex="0" aria-label="Warnings"><table>
          <thead><tr><th>Day</th><th>Channel</th><th>What</th></tr></thead>
          <tbody><tr v-for="(problem, i) in shownProblems" :key="problems.count - i">
            <td>{{ problem.day }}</td><td>{{ problem.channel }}</td>
            <td><q-icon v-if="problem.failed || problem.unused" name="warning" aria-hidden="true" />
              {{ problem.failed ? 'Source failed: ' : problem.unused ? 'Not used: ' : '' }}{{ problem.message }}</td>
          </tr></tbody></table>
          <p v-if="problems.count > shownProblems.length" class="sl-muted">The newest {{ shownProblems.length }} are shown.</p></div>
        <p v-else class="sl-muted">None{{ ended ? '.' : ' so far.' }}</p>
        <a v-if="problems.count" :href="'api' + where + '/problems.csv'" download>All as CSV</a>
      </details>
      <details :open="open.log" @toggle="unfold('log', $event.target.open)">
        <summary>Log</summary>
        <div class="sl-jobpanel-scroll" tabindex="0" aria-label="Log"><ol>
          <li v-for="(entry, i) in log.log" :key="i"><time>{{ utc(entry.at) }}</time> {{ entry.event }}
            <span v-if="entry.by" class="sl-muted">by {{ entry.by }}</span> {{ entry.message }}</li></ol>
          <pre v-if="log.text">{{ log.text }}</pre></div>
      </details>
      <details :open="open.files" @toggle="unfold('files', $event.target.open)">
        <summary>Files</summary>
        <ul class="sl-jobpanel-scroll" tabindex="0" aria-label="Files">
          <li v-for="f in shownFiles" :key="f.path"><a :href="file(f.path)" download>{{ f.path }}</a> <span class="sl-muted">{{ size(f.size) }}</span></li>
          <li v-if="files.count > shownFiles.length" class="sl-muted">
            and {{ count(files.count - shownFiles.length) }} more, in the archive of all files</li></ul>
      </details>
      <p class="sl-jobpanel-id sl-muted">Job {{ job.id }} · submitted {{ utc(job.submitted) }}{{ job.ended ? ' · ended ' + utc(job.ended) : ''
        }}{{ job.worker ? ' · ' + job.worker : ''
        }}{{ job.attempts > 1 ? ' · taken up ' + job.attempts + ' times' : '' }}</p>
      <q-dialog v-model="asks"><q-card role="alertdialog" aria-label="Delete the job">
        <q-card-section>Delete “{{ titleOf(job) }}” with all its files? This cannot be undone.</q-card-section>
        <q-card-actions align="right"><q-btn flat no-caps label="Keep it" v-close-popup autofocus />
          <q-btn unelevated no-caps color="negative" icon="delete" label="Delete" @click="remove" /></q-card-actions>
      </q-card></q-dialog>
    </section>
    <div v-else class="sl-empty">{{ !loaded ? 'Loading…' : job_id ? 'There is no such job: it may have been deleted.' : empty }}</div>`,
};
