// One input file of a job: chosen among those of the workspace, or sent from this computer. It is read at once.
import { api } from "job_board";

export default {
  props: { kind: String, label: String, hint: String, more: Array, accept: String },
  emits: ["chosen", "busy"],
  data: () => ({ files: [], value: "", words: "", fault: "", busy: false, over: false }),
  computed: {
    options() {
      const files = this.files.map((name) => ({ value: name, label: name }));
      return [...(this.more ?? []).map(([value, label]) => ({ value, label })), ...files];
    },
    note() {
      return this.fault || this.words || this.hint;
    },
  },
  watch: {
    busy(value) {
      this.$emit("busy", value);
    },
  },
  mounted() {
    this.list();
  },
  methods: {
    async list() {
      const told = await api("GET", "/files").catch(() => ({ files: [] }));
      this.files = told.files.map((file) => file.name);
    },
    special(value) {
      return (this.more ?? []).some(([name]) => name === value);
    },
    // Take a file of the workspace, or one of the further choices, whose words are given.
    async choose(value, words = "") {
      this.value = value ?? "";
      Object.assign(this, { fault: "", words });
      if (!this.value || this.special(this.value)) return this.$emit("chosen", { value: this.value, facts: null });
      if (!this.files.includes(value)) this.files.unshift(value);
      this.busy = true;
      try {
        this.take(await api("GET", `/files/${encodeURIComponent(value)}/facts?kind=${this.kind}`));
      } catch (fault) {
        this.refuse(fault.message);
      }
      this.busy = false;
    },
    async send(file) {
      if (!file) return;
      Object.assign(this, { busy: true, fault: "", words: `Reading ${file.name} …` });
      const form = new FormData();
      form.append("file", file);
      form.append("kind", this.kind);
      try {
        const answer = await fetch("api/files", { method: "POST", body: form });
        const told = await answer.json();
        if (answer.ok) {
          this.value = told.name;
          await this.list();
          this.take(told);
        } else this.refuse(told.detail);
      } catch {
        this.refuse("The server does not answer.");
      }
      this.busy = false;
      this.$refs.input.value = "";
    },
    take(facts) {
      this.words = facts.summary;
      this.$emit("chosen", { value: this.value, facts });
    },
    refuse(words) {
      Object.assign(this, { fault: words, words: "", value: "" });
      this.$emit("chosen", { value: "", facts: null });
    },
    drop(event) {
      this.over = false;
      this.send(event.dataTransfer.files[0]);
    },
  },
  template: `
    <div class="ct-file" :class="{ 'ct-over': over }" @dragover.prevent="over = true" @dragleave="over = false" @drop.prevent="drop">
      <div class="ct-file-row">
        <q-select outlined dense options-dense hide-bottom-space stack-label emit-value map-options behavior="menu" class="ct-file-select"
          :label="label" :options="options" :model-value="value || null" :loading="busy" :error="Boolean(fault)" no-error-icon
          :aria-describedby="'note-' + kind" @update:model-value="choose($event)" @popup-show="list">
          <template #no-option><q-item><q-item-section class="sl-muted">No files in the workspace yet</q-item-section></q-item></template>
        </q-select>
        <q-btn outline no-caps dense color="primary" icon="upload" class="ct-upload" :aria-label="'Send a file: ' + label" title="Send a file from this computer"
          @click="$refs.input.click()" />
        <input ref="input" type="file" hidden :accept="accept" :data-kind="kind" @change="send($event.target.files[0])">
      </div>
      <div class="ct-file-note" :class="{ 'ct-fault': fault }" :id="'note-' + kind" role="status">{{ note }}</div>
    </div>`,
};
