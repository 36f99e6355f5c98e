// Files that a controller makes when somebody asks: a click on their link waits for the file, then downloads it.

import { askForFile, getOperation } from "./api.js";
import { byId, element, show } from "./dom.js";

const POLL_MS = 2000;
const WAITING = { pending: "waits for a controller that makes it", running: "is being made" };
const asked = new Set();

function say(text) {
  byId("making").textContent = text;
  show("making", true);
}

/** The operation as it is now; while the connection is lost, as it was: the file is made all the same. */
async function look(known) {
  try {
    return await getOperation(known.id);
  } catch (error) {
    if (error.status !== 0) throw error;
    return known;
  }
}

/** Waits until the file is there; throws the reason where it cannot be made. */
async function wait(path, label) {
  let operation = await askForFile(path);
  while (operation !== null && operation.state in WAITING) {
    say(`${label} ${WAITING[operation.state]} …`);
    await new Promise((done) => setTimeout(done, POLL_MS));
    operation = await look(operation);
  }
  if (operation?.state === "failed") throw new Error(operation.problem);
}

async function download(path, label) {
  if (asked.has(path)) return;
  asked.add(path);
  try {
    await wait(path, label);
    say(`${label} is made, and downloaded now.`);
    element("a", { href: path, download: true }).click();
  } catch (error) {
    say(`${label} is not made: ${error.message}`);
  } finally {
    asked.delete(path);
  }
}

/** From now on links with `data-made`, a name for people, wait for their file; also those that come later. */
export function bindMaking() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-made]");
    if (link === null) return;
    event.preventDefault();
    download(link.getAttribute("href"), link.dataset.made);
  });
}
