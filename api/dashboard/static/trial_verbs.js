// What may be asked of the search about a trial, and what became of it.

import { askTrial, enqueueTrial, getRequest } from "./api.js";
import { element } from "./dom.js";
import { FINAL } from "./state.js";

const POLL_MS = 2000;
const VERBS = {
  retry: { label: "Try again", states: ["failed"], ask: (searchId, number) => askTrial(searchId, number, "retry") },
  stop: { label: "End it now", states: ["queued", "running"], ask: (searchId, number) => askTrial(searchId, number, "stop") },
  promote: { label: "Train it in full", states: ["completed", "stopped_early"], ask: (searchId, number) => askTrial(searchId, number, "promote") },
  enqueue: { label: "Train it again", states: ["completed", "stopped_early"], ask: (searchId, number) => enqueueTrial(searchId, { trial: number }) },
};

/** A search that is over takes nothing more; a training that is measured at its end only cannot be ended before. */
function allowed(verb, trial, search) {
  if (FINAL.includes(search.state) || search.state === "stopping") return false;
  const isMeasured = (search.config.proxy.measure_at ?? []).length > 0 || search.config.early_stopping?.rule !== "none";
  return VERBS[verb].states.includes(trial.state) && (verb !== "stop" || isMeasured);
}

function outcome(searchId, request) {
  if (request.state === "open") return ["Asked; a controller takes it in its next free slot."];
  if (request.trial !== null) return ["It became ", element("a", { href: `/searches/${encodeURIComponent(searchId)}/trials/${request.trial}` }, `trial ${request.trial}`), "."];
  if (request.verb === "promote" && request.state === "done") return ["Its full training is queued."];
  return [request.state === "done" ? "Done." : `It was ${request.state}${request.reason === "" ? "." : `: ${request.reason}`}`];
}

/** Says in `note` what becomes of a request until it is known. */
export async function followRequest(searchId, request, note) {
  note.replaceChildren(...outcome(searchId, request));
  if (request.state !== "open") return;
  await new Promise((done) => setTimeout(done, POLL_MS));
  await followRequest(searchId, await getRequest(searchId, request.number), note);
}

/** Buttons for what may be asked now; `note` says what became of it, and `onClosed` is called when it is known. */
export function verbButtons(trial, search, note, onClosed) {
  const press = async (verb) => {
    try {
      await followRequest(search.id, await VERBS[verb].ask(search.id, trial.number), note);
      onClosed();
    } catch (error) {
      note.textContent = error.message;
    }
  };
  const names = Object.keys(VERBS).filter((verb) => allowed(verb, trial, search));
  return names.map((verb) => element("button", { type: "button", onclick: () => press(verb) }, VERBS[verb].label));
}
