// What charts of trials have in common: a click shows one, a drag zooms or picks out, and a zoom is kept in the address.

import { remember, said } from "./address.js";
import { byId } from "./dom.js";
import { CONFIG, plotly, zoomRanges, zoomText } from "./plotly_look.js";

/** Whether a drag in the charts picks trials out; else it zooms. */
export const isPicking = () => said("drag") === "pick";

const ranges = (event) => event?.range?.x && event.range.y && { x: [...event.range.x].sort((a, b) => a - b), y: [...event.range.y].sort((a, b) => a - b) };

function listen(node, zoomName, acts) {
  node.on("plotly_click", (click) => click.points[0].customdata && acts.onPick(click.points[0].customdata));
  node.on("plotly_selected", (event) => ranges(event) && acts.onBrush(ranges(event)));
  node.on("plotly_deselect", () => acts.onBrush(null));
  node.on("plotly_relayout", (change) => {
    const isZoom = Object.keys(change).some((name) => name.startsWith("xaxis") || name.startsWith("yaxis"));
    if (isZoom) remember(zoomName, zoomText(node));
  });
}

/** The zoom in the address as what an axis takes; without one the axis shows all. */
export function zoomOf(zoomName) {
  const zoom = zoomRanges(said(zoomName));
  return { x: zoom ? { range: zoom.x } : {}, y: zoom ? { range: zoom.y } : {} };
}

/** The rectangle of a brush in a chart with these two columns; empty where the brush is over others. */
export function selections(brush, x, y) {
  if (brush === null || !brush[x] || !brush[y] || Object.keys(brush).length !== 2) return [];
  return [{ type: "rect", xref: "x", yref: "y", x0: brush[x][0], x1: brush[x][1], y0: brush[y][0], y1: brush[y][1], line: { width: 1 } }];
}

/**
 * Draws traces in the node of this id; what was zoomed stays so.
 * `acts` has `onPick(number)` for a trial clicked, and `onBrush({x, y})` for a rectangle drawn, null for one taken away.
 */
export async function drawTrials(id, traces, layout, acts) {
  const node = byId(id);
  const { react } = await plotly();
  const isFirst = node.dataset.drawn === undefined;
  node.dataset.drawn = "yes";
  // plotly.js keeps what was drawn into a chart as long as this stays: the address has it, so it never does.
  const revision = { uirevision: "keep", selectionrevision: said("brush") ?? "" };
  await react(node, traces, { ...revision, ...layout, dragmode: isPicking() ? "select" : "zoom" }, CONFIG);
  if (isFirst) listen(node, `${id}-zoom`, acts);
}
