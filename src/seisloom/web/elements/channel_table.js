import { filtered, fixed, numeric, tableLook, text } from "table_look";

const day = ({ value }) => (value == null ? "" : value.replace(/T00:00:00Z$/, "").replace("T", " ").replace(/Z$/, ""));
const COLUMNS = [
  { field: "network", headerName: "Network", width: 88, ...text },
  { field: "station", headerName: "Station", width: 88, ...text },
  { field: "location", headerName: "Location", width: 88, ...text },
  { field: "channel", headerName: "Channel", width: 88, ...text },
  { field: "latitude", headerName: "Latitude", headerTooltip: "degrees", width: 98, valueFormatter: fixed(4), ...numeric },
  { field: "longitude", headerName: "Longitude", headerTooltip: "degrees", width: 104, valueFormatter: fixed(4), ...numeric },
  { field: "elevation_m", headerName: "Elevation, m", width: 108, valueFormatter: fixed(0), ...numeric },
  { field: "sample_rate_hz", headerName: "Rate, Hz", width: 88, ...numeric },
  { field: "start", headerName: "From", headerTooltip: "UTC", width: 104, valueFormatter: day, ...text },
  { field: "end", headerName: "To", headerTooltip: "UTC; empty: still open", width: 104, valueFormatter: day, ...text },
  { field: "sensor", headerName: "Sensor", width: 200, ...text },
  { field: "site", headerName: "Site", width: 200, ...text },
  { field: "depth_m", headerName: "Depth, m", headerTooltip: "of the sensor below the ground", width: 110, valueFormatter: fixed(1), ...numeric },
  { field: "azimuth_deg", headerName: "Azimuth, °", headerTooltip: "clockwise from north", width: 120, valueFormatter: fixed(1), ...numeric },
  { field: "dip_deg", headerName: "Dip, °", headerTooltip: "down from horizontal", width: 100, valueFormatter: fixed(1), ...numeric },
];
const stationOf = (row) => `${row.network}.${row.station}`;

export default {
  template: '<div class="sl-table" role="region" :aria-label="label"></div>',
  props: { label: String },
  created() {
    this.station = null;
    this.ready = new Promise((resolve) => (this.isReady = resolve));
  },
  async mounted() {
    // A megabyte of code that the rest of the page need not wait for.
    const AgGrid = await import("nicegui-aggrid");
    this.grid = AgGrid.createGrid(this.$el, {
      ...tableLook(AgGrid),
      columnDefs: COLUMNS,
      defaultColDef: filtered,
      rowData: [],
      getRowId: ({ data }) => data.key,
      rowSelection: { mode: "multiRow", selectAll: "filtered", enableClickSelection: false },
      selectionColumnDef: { width: 44, pinned: "left", resizable: false },
      rowClassRules: { "sl-row-lit": ({ data }) => this.station !== null && stationOf(data) === this.station },
      suppressScrollOnNewData: true,
      suppressNoRowsOverlay: true,
      onSelectionChanged: ({ api }) => this.$emit("chosen", api.getSelectedNodes().length),
      onFilterChanged: ({ api }) => this.$emit("shown", api.getDisplayedRowCount()),
      onSortChanged: () => this.$emit("sorted"),
      onCellMouseOver: ({ data }) => this.point(stationOf(data)),
      onCellMouseOut: () => this.point(null),
      onCellFocused: ({ api, rowIndex }) => {
        const row = api.getDisplayedRowAtIndex(rowIndex);
        if (row && this.$el.matches(":focus-within")) this.point(stationOf(row.data));
      },
      onRowDoubleClicked: ({ data }) => this.$emit("open", stationOf(data)),
      onCellKeyDown: ({ event, data }) => event.key === "Enter" && this.$emit("open", stationOf(data)),
    });
    this.isReady();
  },
  unmounted() {
    this.grid?.destroy();
  },
  methods: {
    point(station) {
      this.highlight(station);
      this.$emit("hover", station);
    },
    set_rows(rows) {
      this.station = null;
      this.grid.setGridOption("rowData", rows);
      this.$emit("shown", this.grid.getDisplayedRowCount());
      this.$emit("chosen", this.grid.getSelectedNodes().length);
    },
    choose(on) {
      if (on) this.grid.selectAll("filtered");
      else this.grid.deselectAll("all");
    },
    choose_station(station, on) {
      const nodes = [];
      this.grid.forEachNode((node) => stationOf(node.data) === station && nodes.push(node));
      this.grid.setNodesSelected({ nodes, newValue: on });
    },
    highlight(station) {
      if (station === this.station) return;
      this.station = station;
      // Rows that are drawn anew lose the focus, so those that are there change their class only.
      for (const row of this.$el.querySelectorAll(".ag-row")) {
        const node = this.grid.getDisplayedRowAtIndex(Number(row.getAttribute("row-index")));
        if (node) row.classList.toggle("sl-row-lit", stationOf(node.data) === station);
      }
    },
    reveal(station) {
      let first = null;
      this.grid.forEachNodeAfterFilterAndSort((node) => {
        if (first === null && stationOf(node.data) === station) first = node;
      });
      if (first) this.grid.ensureNodeVisible(first, "middle");
    },
    chosen() {
      return this.grid.getSelectedNodes().map((node) => node.data);
    },
    state() {
      const { filter, sort } = this.grid.getState();
      return { filter, sort, chosen: this.grid.getSelectedNodes().map((node) => node.id) };
    },
    restore({ filter, sort, chosen }) {
      this.grid.setFilterModel(filter?.filterModel ?? null);
      this.grid.applyColumnState({ state: sort?.sortModel ?? [], defaultState: { sort: null } });
      const nodes = chosen.map((id) => this.grid.getRowNode(id)).filter(Boolean);
      this.grid.setNodesSelected({ nodes, newValue: true });
    },
  },
};
