// Starting a search: a form out of the published schema, the document beside it, checked and estimated as it is written.

import { cloneSearch, createSearch, estimateSearch, getSchema, getSearch, validateSearch } from "./api.js";
import { explain, showBanner } from "./banner.js";
import { complain } from "./complaints.js";
import { byId, element, fill, show } from "./dom.js";
import { estimateList } from "./estimate.js";
import { searchForm } from "./new_form.js";
import { closest, patchTo, withoutDefaults, withValue } from "./places.js";
import { PRESETS } from "./presets.js";
import { resolver } from "./schema_form.js";
import { toYaml } from "./yaml.js";

const CHECK_AFTER_MS = 800;
const query = new URLSearchParams(location.search);
const from = query.get("from");

let draft = {};
let source = null;
let form = null;
let timer = null;
let round = 0;
let sent = { body: "", key: "" };

/** The same document keeps its key, so that a second click, or a try after a lost answer, makes no second search. */
function keyFor(body) {
  if (sent.body !== body) {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    sent = { body, key: [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("") };
  }
  return sent.key;
}

function showText() {
  const isJson = byId("as-json").checked;
  byId("document").textContent = isJson ? `${JSON.stringify(draft, null, 2)}\n` : toYaml(draft);
}

function showVerdict(text) {
  byId("verdict").textContent = text;
}

async function estimate(mine) {
  const found = await estimateSearch(draft);
  if (mine !== round || found === null) return;
  fill(byId("estimate"), estimateList(found));
  show("estimate-section", true);
}

/** Asks the service what it thinks; a service that has no such route is not asked for more than this once. */
async function check() {
  const mine = ++round;
  showVerdict("Checking …");
  try {
    const verdict = await validateSearch(draft);
    if (mine !== round) return;
    complain(form.fields(), verdict?.errors ?? []);
    showVerdict(verdict === null ? "" : verdict.valid ? "This can be started." : "This cannot be started yet.");
    if (verdict?.valid) await estimate(mine);
    else show("estimate-section", false);
    showBanner("");
  } catch (error) {
    if (mine !== round) return;
    showVerdict("");
    showBanner(explain(error));
  }
}

function changed() {
  showText();
  clearTimeout(timer);
  timer = setTimeout(check, CHECK_AFTER_MS);
}

function edit(place, value) {
  draft = withValue(draft, place, value);
  changed();
}

function begin(next) {
  draft = next;
  form.show(draft);
  showText();
  clearTimeout(timer);
  check();
}

async function submit(event) {
  event.preventDefault();
  clearTimeout(timer);
  byId("start").disabled = true;
  showVerdict("Starting …");
  try {
    const key = keyFor(JSON.stringify(draft));
    const search = source === null ? await createSearch(draft, key) : await cloneSearch(source.id, patchTo(source.config, draft), key);
    location.assign(`/searches/${encodeURIComponent(search.id)}`);
  } catch (error) {
    byId("start").disabled = false;
    showVerdict(error.status === 422 ? "It was not started." : `It was not started: ${error.message}`);
    complain(form.fields(), error.errors);
  }
}

function presetButtons() {
  return Object.entries(PRESETS).map(([name, preset]) => {
    const choose = () => {
      history.replaceState(null, "", `?preset=${name}`);
      byId("origin").textContent = "";
      source = null;
      begin(preset.document);
    };
    return element("button", { type: "button", class: "preset", onclick: choose }, element("strong", {}, preset.label), element("span", { class: "quiet" }, preset.note));
  });
}

/** The document that a search was started with, as far as it can be told from what was filled in. */
function withoutFilledIn(config, schema, resolve) {
  const { proxy, ...rest } = config;
  const kept = withoutDefaults(rest, schema, resolve) ?? {};
  const isFilledIn = kept.algorithm?.settings?.horizon === config.limits.trials;
  const short = isFilledIn ? withValue(kept, "algorithm.settings.horizon", undefined) : kept;
  return { ...short, proxy: closest(proxy, schema.properties.proxy.examples, "preset") };
}

/** The document that the address asks for: a search's, a preset's, or the smallest. */
async function firstDocument(schema, resolve) {
  if (from === null) return (PRESETS[query.get("preset")] ?? PRESETS["try-it"]).document;
  source = await getSearch(from);
  const link = element("a", { href: `/searches/${encodeURIComponent(from)}` }, source.name);
  byId("origin").replaceChildren("As in ", link, ", which stays as it is. The new search will say that it is cloned from it.");
  return { ...withoutFilledIn(source.config, schema, resolve), name: `${source.name} 2`.slice(-64) };
}

async function copy() {
  await navigator.clipboard.writeText(byId("document").textContent);
  byId("copied").textContent = "copied";
}

async function start() {
  try {
    const schema = await getSchema();
    const resolve = resolver(schema);
    form = searchForm(schema, resolve, edit);
    byId("presets").replaceChildren(...presetButtons());
    byId("common").replaceChildren(...form.common);
    byId("others").replaceChildren(...form.others);
    begin(await firstDocument(schema, resolve));
    show("form", true);
    show("loading", false);
  } catch (error) {
    byId("loading").textContent = error.status === 404 ? "There is no such search to begin with." : explain(error);
  }
}

byId("form").addEventListener("submit", submit);
byId("as-yaml").addEventListener("change", showText);
byId("as-json").addEventListener("change", showText);
byId("copy").addEventListener("click", copy);
start();
