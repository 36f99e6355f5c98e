// Numbers and times as people read them.

export const NONE = "–";

export function ap(value) {
  return value === null || value === undefined ? NONE : value.toFixed(3);
}

/** 0.253 ± 0.015 (n = 3) */
export function apWithError(value, standardError, count) {
  if (value === null) return NONE;
  const error = standardError === null ? "" : ` ± ${standardError.toFixed(3)}`;
  return `${value.toFixed(3)}${error} (n = ${count})`;
}

/** 85.4 G, 28.5 M: three significant digits; counts above 999 T do not occur. */
export function amount(value) {
  for (const [unit, size] of [["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
    if (value >= size) return `${(value / size).toPrecision(3)} ${unit}`;
  }
  return String(value);
}

/** 41.8 ms */
export function milliseconds(value) {
  return `${value >= 100 ? value.toFixed(0) : value.toPrecision(3)} ms`;
}

/** Of a trial's latency, where there is one. */
export const latency = (measured) => (measured === null ? NONE : milliseconds(measured.median_ms));

/** A cost of a kind as people read it: 85.4 G multiply-adds, 41.8 ms. */
export const costText = (kind, value) => (kind === "latency_ms" ? milliseconds(value) : `${amount(value)} ${kind.replace("_", "-")}`);

export function whole(value) {
  return value.toLocaleString("en").replaceAll(",", "\u202f");
}

/** 3 h 12 min */
export function duration(seconds) {
  if (seconds === null) return NONE;
  const total = Math.round(seconds);
  if (total < 60) return `${total} s`;
  if (total < 3600) return `${Math.floor(total / 60)} min ${total % 60} s`;
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  return hours < 48 ? `${hours} h ${minutes} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function signed(value) {
  return (value < 0 ? "−" : "+") + Math.abs(value).toFixed(3);
}

/** "+3.1 %" */
export function percentChange(after, before) {
  return before === 0 ? NONE : `${after < before ? "−" : "+"}${Math.abs((100 * after) / before - 100).toFixed(1)} %`;
}

export function secondsBetween(start, end) {
  return start === null || end === null ? null : (new Date(end) - new Date(start)) / 1000;
}

/** Local time; `utc` is for the hover. */
export function time(iso) {
  const date = new Date(iso);
  const isToday = date.toDateString() === new Date().toDateString();
  const options = isToday ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" };
  return { text: date.toLocaleString(undefined, options), utc: date.toISOString().replace("T", " ").slice(0, 19) + " UTC" };
}
