// What the trained network finds on a few validation images, beside what is there.

import { artifactPath, getArtifact } from "./api.js";
import { element } from "./dom.js";
import { svg, titled } from "./svg.js";

const ALBUM = /^(reevaluate|full_train)-([0-9a-f]+)\/pictures\.json$/;
const KINDS = { reevaluate: "val, seed", full_train: "full training, seed" };
const NUM_HUES = 6;
const FIRST_SHOWN = 0.3;
const LETTERS_ACROSS = 26;

/** The albums of a trial, in the order they were made. */
const albumsOf = (trial) =>
  trial.artifacts
    .map((file) => [file, ALBUM.exec(file.name)])
    .filter(([, match]) => match !== null)
    .map(([file, match]) => ({ key: file.key, label: `${KINDS[match[1]]} ${parseInt(match[2], 16)}` }));

const hue = (label) => `hue-${label % NUM_HUES}`;

function shape([x, y, width, height], attributes, ...children) {
  return svg("rect", { x, y, width, height, ...attributes }, ...children);
}

const trueBox = (names, { box, label }) => shape(box, { class: `true ${hue(label)}` }, titled(`${names[label]}, true`));

function foundBox(names, picture, { box, label, score }) {
  const words = `${names[label]} ${score.toFixed(2)}`;
  const size = picture.width / LETTERS_ACROSS;
  const [x, y] = [Math.max(0, box[0]), Math.max(size, box[1] - size / 4)];
  return svg("g", { class: `found ${hue(label)}`, "data-score": score }, shape(box, {}, titled(words)), svg("text", { x, y, "font-size": size }, words));
}

function figure(searchId, album, picture) {
  const drawn = svg(
    "svg",
    { viewBox: `0 0 ${picture.width} ${picture.height}`, role: "img", "aria-label": `Boxes on ${picture.name}` },
    picture.truth.map((box) => trueBox(album.classes, box)),
    picture.found.map((box) => foundBox(album.classes, picture, box)),
  );
  const image = element("img", { src: artifactPath(searchId, picture.key), width: picture.width, height: picture.height, alt: picture.name, loading: "lazy" });
  return element("figure", { "data-true": picture.truth.length, "data-name": picture.name }, element("div", { class: "boxed" }, image, drawn), element("figcaption", {}));
}

/** Hides what was found with a lower score. */
function cut(figures, score) {
  for (const each of figures) {
    let shown = 0;
    for (const found of each.querySelectorAll(".found")) {
      const isShown = Number(found.dataset.score) >= score;
      found.classList.toggle("below", !isShown);
      shown += isShown;
    }
    each.querySelector("figcaption").textContent = `${each.dataset.name}: ${each.dataset.true} true, ${shown} found`;
  }
}

function scoreField(album, figures) {
  const start = Math.max(FIRST_SHOWN, album.min_score);
  const output = element("output", {}, start.toFixed(2));
  const change = (event) => {
    output.textContent = Number(event.target.value).toFixed(2);
    cut(figures, Number(event.target.value));
  };
  const range = element("input", { type: "range", id: "score", min: album.min_score, max: 1, step: "any", value: start, oninput: change });
  cut(figures, start);
  return element("p", { class: "score" }, element("label", { for: "score" }, "Score at least "), range, output);
}

const legend = (names) =>
  element("p", { class: "hint" }, "Dashed: what is there. Solid: what was found. ", names.map((name, index) => element("span", { class: `key ${hue(index)}` }, name)));

async function showAlbum(searchId, key, place) {
  let album;
  try {
    album = await getArtifact(searchId, key);
  } catch (error) {
    place.replaceChildren(element("p", { class: "quiet", role: "alert" }, `The pictures cannot be shown: ${error.message}.`));
    return;
  }
  const figures = album.pictures.map((picture) => figure(searchId, album, picture));
  place.replaceChildren(scoreField(album, figures), legend(album.classes), element("div", { class: "album" }, figures));
}

/** Shows the pictures of a trial's newest album in `container`, once; in words where there are none. */
export async function showPictures(container, searchId, trial) {
  const albums = albumsOf(trial);
  const keys = albums.map((album) => album.key).join(" ");
  if (container.dataset.albums === keys) return;
  container.dataset.albums = keys;
  if (albums.length === 0) {
    container.replaceChildren(element("p", { class: "quiet" }, "Pictures appear here when the trial is trained again and measured on val, as the best ones are at the end. An evaluator of your own may keep some."));
    return;
  }
  const place = element("div");
  const chosen = albums.at(-1).key;
  const options = albums.map(({ key, label }) => element("option", { value: key, selected: key === chosen }, label));
  const pick = element("select", { id: "album", onchange: (event) => showAlbum(searchId, event.target.value, place) }, options);
  container.replaceChildren(element("p", {}, element("label", { for: "album" }, "Trained on "), pick), place);
  await showAlbum(searchId, chosen, place);
}
