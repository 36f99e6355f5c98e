// When a page can be used.

/** What the page shows first is there, and it listens: a mark for who measures (`spinesearch bench page`). */
export function ready() {
  if (performance.getEntriesByName("ready").length === 0) performance.mark("ready");
}
