// What the tables of all pages share: AG Grid in the colours of the app, light or dark with the page.

// The grids look for their mode at the elements around them.
const follow = () => (document.body.dataset.agThemeMode = document.body.classList.contains("body--dark") ? "dark" : "light");
new MutationObserver(follow).observe(document.body, { attributes: true, attributeFilter: ["class"] });
follow();

export const fixed = (digits) => ({ value }) => (value == null ? "" : value.toFixed(digits));
export const text = { filter: "agTextColumnFilter" };
export const numeric = { filter: "agNumberColumnFilter", type: "rightAligned" };
// Filters stand below the heads, and nowhere else.
export const filtered = { floatingFilter: true, suppressHeaderMenuButton: true, suppressHeaderFilterButton: true, suppressFloatingFilterButton: true };

// Options of a grid. ``AgGrid`` is the module, a megabyte, which not every page waits for; ``size``: ``fontSize`` and
// ``cellHorizontalPadding``, in pixels.
export function tableLook(AgGrid, size = { fontSize: 13, cellHorizontalPadding: 10 }) {
  AgGrid.ModuleRegistry.registerModules([AgGrid.AllCommunityModule]);
  const theme = AgGrid.themeQuartz.withPart(AgGrid.colorSchemeVariable).withParams({
    fontFamily: "inherit",
    rowHeight: 28,
    headerHeight: 32,
    spacing: 5,
    wrapperBorderRadius: 8,
    borderColor: "var(--sl-line)",
    backgroundColor: "var(--sl-map-paper)",
    foregroundColor: "var(--sl-text)",
    headerBackgroundColor: "var(--sl-soft)",
    accentColor: "var(--q-primary)",
    ...size,
  });
  return { theme, animateRows: false, tooltipShowDelay: 500 };
}
