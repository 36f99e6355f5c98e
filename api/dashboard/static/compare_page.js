// Several searches beside each other: one chart, their figures, and what differs in their documents.

import { remember, said } from "./address.js";
import { getCourses, getSearch } from "./api.js";
import { explain, showBanner } from "./banner.js";
import { drawCourses, lookOf } from "./compare_chart.js";
import { byId, element, fill, show } from "./dom.js";
import { ap, apWithError, duration, NONE, whole } from "./format.js";
import { zoomRanges } from "./plotly_look.js";
import { FINAL, stateLabel } from "./state.js";
import { number, table, word } from "./table.js";
import { thumbnail } from "./thumbnail.js";

const REFRESH_MS = 5000;
const ids = [...new Set((said("searches") ?? "").split(",").filter((id) => id !== ""))].slice(0, 12);

let searches = [];
let courses = [];

const UNITS = ["trials", "hours", "cost"];
const unit = () => (UNITS.includes(said("x")) ? said("x") : "trials");
const onZoom = (zoom) => remember("zoom", zoom);

/** The currency of the first search that has a price. */
const currency = () => searches.find((search) => search.usage.currency !== null)?.usage.currency ?? null;

/** What a training of a search has cost until now, in that currency; null where that is not known. */
function price({ usage, progress }) {
  return usage.cost === null || usage.currency !== currency() || progress.trained === 0 ? null : usage.cost / progress.trained;
}

/** Names where they differ, else ids. */
function labels() {
  const names = searches.map((search) => search.name);
  return searches.map((search) => (names.filter((name) => name === search.name).length > 1 ? search.id : search.name));
}

function words() {
  const said = courses.map((course, index) => {
    const last = course.steps.at(-1);
    return last ? `${labels()[index]} ${ap(last.reward)} after ${whole(last.trained)} trainings` : `${labels()[index]} none yet`;
  });
  return `Best reward so far: ${said.join("; ")}`;
}

async function draw() {
  const hasReward = courses.some((course) => course.steps.length > 0);
  show("chart", hasReward);
  show("chart-empty", !hasReward);
  if (!hasReward) return;
  const prices = searches.map(price);
  show("no-price", unit() === "cost" && prices.includes(null));
  await drawCourses(byId("chart"), { courses, labels: labels(), prices, currency: currency(), unit: unit(), zoom: zoomRanges(said("zoom")) }, onZoom);
  byId("chart").setAttribute("aria-label", words());
}

const swatch = (index) => element("span", { class: `swatch line-${(index % 6) + 1} drawn-${lookOf(index).dash}`, "aria-hidden": "true" });

function without(id) {
  const left = ids.filter((other) => other !== id);
  const label = `Leave out ${searches.find((search) => search.id === id).name}`;
  return element("a", { href: `/compare?searches=${left.join(",")}&x=${unit()}`, "aria-label": label }, "leave out");
}

function figureRow(search, index) {
  const last = courses[index].steps.at(-1);
  const { best, progress } = search;
  const onVal = best ? apWithError(best.val_average_precision, best.val_standard_error, best.val_count) : NONE;
  return [
    [swatch(index), element("a", { href: `/searches/${search.id}` }, labels()[index])],
    stateLabel(search.state),
    [search.space, element("span", { class: "quiet second" }, search.algorithm)],
    `${whole(progress.trained)} / ${whole(progress.trials)}`,
    last ? [thumbnail(search.id, last.trial), element("a", { href: `/searches/${search.id}/trials/${last.trial}`, class: "second" }, ap(last.reward))] : NONE,
    last ? [`${whole(last.trained)} trainings`, element("span", { class: "quiet second" }, duration(last.seconds))] : NONE,
    onVal,
    duration(progress.elapsed_seconds),
    search.usage.cost === null ? NONE : `${search.usage.cost.toFixed(2)} ${search.usage.currency}`,
    without(search.id),
  ];
}

const HEAD = [
  word("Search"),
  word("State"),
  word("Space, algorithm"),
  number("Trained"),
  number("Best reward"),
  number("reached after", "trainings, and time since the start"),
  number("AP on val of the best"),
  number("Time"),
  number("Cost"),
  word(""),
];

/** The values of a document by place. */
function flat(value, place = "") {
  const isSection = typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length > 0;
  if (!isSection) return [[place, typeof value === "string" ? value : JSON.stringify(value)]];
  return Object.entries(value).flatMap(([key, inner]) => flat(inner, place === "" ? key : `${place}.${key}`));
}

function documentRows() {
  const documents = searches.map((search) => new Map(flat(search.config)));
  const places = [...new Set(documents.flatMap((each) => [...each.keys()]))].filter((place) => place !== "name");
  return places
    .map((place) => [place, ...documents.map((each) => each.get(place) ?? NONE)])
    .filter(([, first, ...others]) => others.some((other) => other !== first));
}

function render() {
  fill(byId("figures"), table(HEAD, searches.map(figureRow), "Figures of the searches"));
  const rows = documentRows();
  const head = [word("Setting"), ...labels().map((label) => word(label))];
  fill(byId("documents"), rows.length > 0 ? table(head, rows, "What differs in the documents") : element("p", { class: "quiet" }, "Nothing but the name: chance alone tells them apart."));
}

async function load() {
  const [found, { courses: course }] = await Promise.all([Promise.all(ids.map(getSearch)), getCourses(ids)]);
  [searches, courses] = [found, course];
  render();
  await draw();
}

async function refresh() {
  try {
    if (!document.hidden) await load();
    showBanner("");
  } catch (error) {
    showBanner(explain(error));
  }
  if (!searches.length || searches.some((search) => !FINAL.includes(search.state))) setTimeout(refresh, REFRESH_MS);
}

for (const radio of document.querySelectorAll('input[name="x"]')) {
  radio.checked = radio.value === unit();
  radio.addEventListener("change", () => {
    remember("x", radio.value);
    remember("zoom", null);
    draw();
  });
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => searches.length && draw());
show("compared", ids.length > 0);
show("empty", ids.length === 0);
if (ids.length > 0) refresh();
