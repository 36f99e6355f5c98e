// The best reward so far of several searches, on one chart. SVG traces of plotly.js only.

const HOUR = 3600;
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
const NUM_COLORS = 6;

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const AXES = {
  trials: { title: "Trainings", of: (point) => point.trained, hover: "training %{x:d}" },
  hours: { title: "Hours since the start", of: (point) => point.seconds / HOUR, hover: "%{x:.2f} h" },
};

/** A colour and a dash for each place, so that colour never stands alone. */
export const lookOf = (index) => ({ name: `--line-${(index % NUM_COLORS) + 1}`, dash: DASHES[index % DASHES.length] });

function trace(course, label, index, axis) {
  const { name, dash } = lookOf(index);
  const points = [...course.steps, { ...course.steps.at(-1), trained: course.trained, seconds: course.seconds }];
  return {
    name: label,
    x: points.map(axis.of),
    y: points.map((point) => point.reward),
    text: points.map((point) => `trial ${point.trial}`),
    type: "scatter",
    mode: "lines+markers",
    line: { color: color(name), dash, width: 2, shape: "hv" },
    marker: { color: color(name), size: 5 },
    hovertemplate: `%{y:.3f}, ${axis.hover}, %{text}<extra>%{fullData.name}</extra>`,
  };
}

function layout(axis, zoom) {
  const font = { family: "system-ui, sans-serif", size: 12, color: color("--text") };
  const line = { gridcolor: color("--rule"), zeroline: false, linecolor: color("--rule"), tickcolor: color("--rule") };
  const range = (ends) => (ends ? { range: ends } : { rangemode: "tozero" });
  return {
    font,
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    margin: { l: 56, r: 12, t: 8, b: 44 },
    height: 400,
    hovermode: "closest",
    hoverlabel: { bgcolor: color("--raised"), bordercolor: color("--rule"), font },
    showlegend: true,
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
    xaxis: { ...line, title: { text: axis.title, standoff: 6 }, ...range(zoom?.x) },
    yaxis: { ...line, title: { text: "Best reward so far" }, ...range(zoom?.y) },
  };
}

/** What a zoom says of both axes; null where the chart shows all. */
function zoomOf(node) {
  const { xaxis, yaxis } = node.layout;
  if (xaxis.autorange !== false && yaxis.autorange !== false) return null;
  return { x: xaxis.range.map(Number), y: yaxis.range.map(Number) };
}

/** Draws the courses, each with its label, against `trials` or `hours`; `onZoom(zoom)` is called when that changes. */
export async function drawCourses(node, courses, labels, unit, zoom, onZoom) {
  const axis = AXES[unit];
  const traces = courses.map((course, index) => (course.steps.length > 0 ? trace(course, labels[index], index, axis) : null)).filter((each) => each !== null);
  await window.Plotly.react(node, traces, layout(axis, zoom), { responsive: true, displayModeBar: false });
  if (node.dataset.drawn === undefined) {
    node.dataset.drawn = "yes";
    node.on("plotly_relayout", () => onZoom(zoomOf(node)));
  }
}
