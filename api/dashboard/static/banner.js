// The one place that says what is wrong with the connection.

import { byId } from "./dom.js";

/** Shows a message over the page; an empty one hides it. */
export function showBanner(message) {
  const banner = byId("banner");
  banner.textContent = message;
  banner.hidden = message === "";
}

/** What to tell about an error of the API. */
export function explain(error) {
  if (error.status === 401) return "Your session has ended. Open a fresh link from “spinesearch up” to sign in again.";
  if (error.status === 0) return "The connection is lost. What you see is the last that was known; the page catches up by itself.";
  return error.message;
}
