// How the best reward rose, small enough for a table.

import { ap, whole } from "./format.js";
import { svg, titled } from "./svg.js";

const [WIDTH, HEIGHT, PAD] = [96, 24, 2];

/** The corners of the step line, in drawing units, over the trials that the search may train. */
function corners({ steps, trained }, trials) {
  const highest = steps.at(-1).reward || 1;
  const across = (count) => ((count / Math.max(trials, trained)) * WIDTH).toFixed(1);
  const up = (reward) => (HEIGHT - PAD - (reward / highest) * (HEIGHT - 2 * PAD)).toFixed(1);
  const path = steps.flatMap((step, index) => [
    ...(index === 0 ? [] : [[across(step.trained), up(steps[index - 1].reward)]]),
    [across(step.trained), up(step.reward)],
  ]);
  return [...path, [across(trained), up(steps.at(-1).reward)]];
}

/** The picture of a search's course; null before the first reward. */
export function sparkline(course, trials) {
  if (!course || course.steps.length === 0) return null;
  const last = course.steps.at(-1);
  const words = `Best reward from ${ap(course.steps[0].reward)} to ${ap(last.reward)}, reached after ${whole(last.trained)} of ${whole(course.trained)} trainings`;
  const points = corners(course, trials).map((corner) => corner.join(",")).join(" ");
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "sparkline", role: "img", "aria-label": words }, titled(words), svg("polyline", { points }));
}
