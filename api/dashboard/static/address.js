// What the address says of how a page is looked at: a view can be sent to somebody, and comes back after a reload.

const query = () => new URLSearchParams(location.search);

/** The value of a name in the address; null where it has none. */
export const said = (name) => query().get(name);

/** Puts a value into the address without a new entry in the history of the browser; null takes the name out. */
export function remember(name, value) {
  const next = query();
  if (value === null) next.delete(name);
  else next.set(name, value);
  const text = next.toString().replaceAll("%2C", ",").replaceAll("%3A", ":").replaceAll("%3B", ";").replaceAll("%3D", "=");
  history.replaceState(null, "", `${location.pathname}${text === "" ? "" : `?${text}`}${location.hash}`);
}
