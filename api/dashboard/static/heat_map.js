// Shares over time as a heat map, as SVG of our own: a row for each option, a column for each run of trials.

import { svg, titled } from "./svg.js";

const ROW = 20;
const WIDTH = 760;
const [LABEL, FOOT, GAP] = [240, 30, 1];

const percent = (share) => `${Math.round(100 * share)} %`;

function cell(option, share, bucket, place) {
  if (share === null) return null;
  const words = `${option}: ${percent(share)} in trials ${bucket.first_trial} to ${bucket.last_trial}`;
  return svg("rect", { ...place, "fill-opacity": (0.04 + 0.96 * share).toFixed(3) }, titled(words));
}

/**
 * The picture of `rows`, `{label, shares}`, each with a share in [0, 1] (or null) for each of `buckets`, at least one,
 * `{first_trial, last_trial}`.
 */
export function heatMap(rows, buckets, words) {
  const width = (WIDTH - LABEL) / buckets.length;
  const height = rows.length * ROW + FOOT;
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, class: "heat-map", role: "img", "aria-label": words });
  rows.forEach(({ label, shares }, row) => {
    const place = (column) => ({ x: (LABEL + column * width).toFixed(1), y: row * ROW, width: Math.max(1, width - GAP).toFixed(1), height: ROW - GAP });
    const cells = shares.map((share, column) => cell(label, share, buckets[column], place(column)));
    picture.append(svg("text", { class: "end", x: LABEL - 8, y: row * ROW + 14 }, label), ...cells.filter((each) => each !== null));
  });
  const foot = height - FOOT + 18;
  picture.append(
    svg("text", { x: LABEL, y: foot }, `trial ${buckets[0].first_trial}`),
    svg("text", { class: "end", x: WIDTH - GAP, y: foot }, `trial ${buckets.at(-1).last_trial}`),
  );
  return picture;
}
