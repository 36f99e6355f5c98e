// Who opens a page at one of its parts stays there while the parts above it are filled, until they scroll themselves.

const MOVES = ["wheel", "touchstart", "pointerdown", "keydown"];

let isFree = false;

const target = () => (/^#[\w-]+$/.test(location.hash) ? document.getElementById(location.hash.slice(1)) : null);

function settle() {
  if (!isFree) target()?.scrollIntoView();
}

/** Keeps the part that the address names in view. */
export function stayAtAnchor() {
  new ResizeObserver(settle).observe(document.querySelector("main"));
  for (const move of MOVES) {
    window.addEventListener(move, () => {
      isFree = true;
    }, { passive: true });
  }
  // A link within the page was followed.
  window.addEventListener("hashchange", () => {
    isFree = target() === null;
    settle();
  });
}
