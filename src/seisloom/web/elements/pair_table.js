import * as AgGrid from "nicegui-aggrid";
import { filtered, fixed, numeric, tableLook, text } from "table_look";

const COLUMNS = [
  { field: "label", headerName: "Pair", minWidth: 112, flex: 1, tooltipField: "name", ...text },
  { field: "component", headerName: "Comp.", headerTooltip: "Component pair, first channel first", width: 60, ...text },
  { field: "distance_km", headerName: "km", headerTooltip: "Distance, km", width: 58, valueFormatter: fixed(1), ...numeric },
  { field: "azimuth_deg", headerName: "Az.", headerTooltip: "Azimuth at the first towards the second, degrees", width: 50, valueFormatter: fixed(0), ...numeric },
  { field: "days", headerName: "Rows", headerTooltip: "Rows with data: days, sub-stacks or windows, as the job keeps them", width: 54, ...numeric },
  { field: "windows", headerName: "Wind.", headerTooltip: "Windows in all of them", width: 64, ...numeric },
  { field: "snr", headerName: "SNR", headerTooltip: "Signal-to-noise ratio of the linear stack", width: 52, valueFormatter: fixed(1), ...numeric },
];

export default {
  template: '<div class="sl-table" role="region" :aria-label="label"></div>',
  props: { label: String },
  mounted() {
    this.grid = AgGrid.createGrid(this.$el, {
      ...tableLook(AgGrid, { fontSize: 12.5, cellHorizontalPadding: 6 }),
      columnDefs: COLUMNS,
      defaultColDef: filtered,
      rowData: [],
      getRowId: ({ data }) => data.id,
      rowSelection: { mode: "singleRow", checkboxes: false, enableClickSelection: false },
      suppressScrollOnNewData: true,
      overlayNoRowsTemplate: "<span>No pairs</span>",
      onFilterChanged: ({ api }) => this.$emit("shown", api.getDisplayedRowCount()),
      onRowClicked: ({ data }) => this.$emit("pick", data.id),
      onCellKeyDown: ({ event, data }) => event.key === "Enter" && this.$emit("pick", data.id),
      onCellMouseOver: ({ data }) => this.$emit("hover", data.id),
      onCellMouseOut: () => this.$emit("hover", null),
    });
  },
  unmounted() {
    this.grid.destroy();
  },
  methods: {
    set_rows(rows, { several = true } = {}) {
      this.grid.setColumnsVisible(["component"], several);
      this.grid.setGridOption("rowData", rows);
      this.$emit("shown", this.grid.getDisplayedRowCount());
    },
    choose(id) {
      const node = id === null ? null : this.grid.getRowNode(id);
      this.grid.setNodesSelected({ nodes: this.grid.getSelectedNodes(), newValue: false });
      if (!node) return;
      this.grid.setNodesSelected({ nodes: [node], newValue: true });
      if (node.displayed) this.grid.ensureNodeVisible(node);
    },
  },
};
