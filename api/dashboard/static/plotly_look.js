// How all charts of plotly.js look, and the colours of the theme. SVG traces only: its WebGL traces would need eval,
// which the page forbids.

export const CONFIG = { responsive: true, displayModeBar: false };

/** plotly.js, once it is there: it takes longest of all to load, and the rest of a page does not wait for it. */
export function plotly() {
  if (window.Plotly) return Promise.resolve(window.Plotly);
  return new Promise((done, failed) => {
    const script = document.getElementById("plotly");
    script.addEventListener("load", () => done(window.Plotly), { once: true });
    script.addEventListener("error", () => failed(new Error("The charts could not be loaded.")), { once: true });
  });
}

export const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** An axis with a title; `more` is plotly.js's own. */
export function axis(title, more = {}) {
  const line = { gridcolor: color("--rule"), zeroline: false, linecolor: color("--rule"), tickcolor: color("--rule") };
  return { ...line, title: { text: title, standoff: 6 }, ...more };
}

/** The layout of a chart of so many pixels; `more` has its axes. */
export function layout(height, more) {
  const font = { family: "system-ui, sans-serif", size: 12, color: color("--text") };
  return {
    font,
    height,
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    margin: { l: 56, r: 12, t: 8, b: 44 },
    hovermode: "closest",
    hoverlabel: { bgcolor: color("--raised"), bordercolor: color("--rule"), font },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
    ...more,
  };
}

/** A lane below a chart, for trials that have no place in it; it cannot be zoomed. */
export const LANE = { domain: [0, 0.1], range: [-1, 1], visible: false, fixedrange: true };
/** Where the chart stands above such a lane. */
export const ABOVE_LANE = [0.14, 1];

/** A zoom as text, "x0,x1,y0,y1"; null where the chart shows all. */
export function zoomText(node) {
  const { xaxis, yaxis } = node.layout;
  if (xaxis.autorange !== false && yaxis.autorange !== false) return null;
  return [...xaxis.range, ...yaxis.range].map((end) => Number(Number(end).toPrecision(4))).join(",");
}

/** The ranges of both axes that a zoom says; null for no zoom, or none that is understood. */
export function zoomRanges(text) {
  const ends = (text ?? "").split(",").map(Number);
  return ends.length === 4 && ends.every(Number.isFinite) ? { x: ends.slice(0, 2), y: ends.slice(2) } : null;
}
