// When a page can be used.

/** What the page shows first is there, and it listens: a mark for who measures (`spinesearch bench page`). */
export const ready = () => performance.mark("ready");
