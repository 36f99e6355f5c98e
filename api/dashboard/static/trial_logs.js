// What the attempts of a trial logged and printed: looked up when it is opened, followed while the attempt runs.

import { logPath } from "./api.js";
import { element } from "./dom.js";
import { amount } from "./format.js";

const MAX_LINES = 2000;
const KINDS = { latency: "Latency", proxy: "Reward split", reevaluate: "Val", full_train: "Full training" };
const NEAR_END_PIXELS = 40;

const lineEnds = (text) => text.replace(/\r\n?/g, "\n");

/** The last lines of a text, and whether there were more. */
function lastLines(text) {
  const lines = text.split("\n");
  return lines.length <= MAX_LINES + 1 ? [text, false] : [lines.slice(-MAX_LINES - 1).join("\n"), true];
}

/** Shows what comes in `screen`; returns a function that ends it. `place` remembers how far it came. */
function followLog(path, screen, note, place) {
  const source = new EventSource(`${path}&after=${place.after}`);
  source.addEventListener("log", (message) => {
    const found = JSON.parse(message.data);
    const isAtEnd = screen.scrollHeight - screen.scrollTop - screen.clientHeight < NEAR_END_PIXELS;
    const [text, isCut] = lastLines(screen.textContent + lineEnds(found.text));
    screen.textContent = text;
    place.after = found.next;
    place.isCut ||= isCut;
    note.textContent = place.isCut ? `The last ${MAX_LINES} lines. ` : "";
    if (isAtEnd) screen.scrollTop = screen.scrollHeight;
    if (found.is_final) source.close();
  });
  source.addEventListener("error", () => {
    const isOver = source.readyState === EventSource.CLOSED;
    if (isOver && screen.textContent === "") note.textContent = "There is nothing in it. ";
  });
  return () => source.close();
}

function attemptLog(searchId, number, job, attempt) {
  const path = logPath(searchId, number, job.id, attempt.number);
  const name = `${KINDS[job.kind] ?? job.kind}, seed ${job.seed}, attempt ${attempt.number}`;
  const screen = element("pre", { class: "log", tabindex: "0", role: "region", "aria-label": `Log: ${name}` });
  const note = element("span", { role: "status" });
  const place = { after: 0, isCut: false };
  let end = () => {};
  const details = element(
    "details",
    { class: "failure", "data-log": `${job.id} ${attempt.number}` },
    element("summary", {}, `${name}: `, element("span", { class: "size" })),
    element("p", { class: "hint" }, note, element("a", { href: path }, "As text")),
    screen,
  );
  details.addEventListener("toggle", () => {
    end();
    if (details.open) end = followLog(path, screen, note, place);
  });
  return details;
}

const hasLog = (attempt) => attempt.log_bytes > 0 || attempt.state === "running";
const size = (attempt) => (attempt.log_bytes === 0 ? "nothing yet" : `${amount(attempt.log_bytes)}B`);

/** Makes `container` have the log of each attempt; those that are open stay as they are. */
export function showLogs(container, searchId, trial) {
  const shown = new Map([...container.querySelectorAll("[data-log]")].map((details) => [details.dataset.log, details]));
  for (const job of trial.jobs) {
    for (const attempt of job.attempts.filter(hasLog)) {
      const key = `${job.id} ${attempt.number}`;
      if (!shown.has(key)) container.append(attemptLog(searchId, trial.number, job, attempt));
      const details = shown.get(key) ?? container.lastElementChild;
      details.querySelector(".size").textContent = size(attempt);
    }
  }
  const empty = trial.jobs.length === 0 ? "" : "What workers log and print appears here while they train.";
  container.dataset.empty = container.childElementCount === 0 ? empty : "";
}
