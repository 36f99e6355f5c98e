// Architectures as small pictures. Equal networks of a page share one, and none is fetched before it comes into view.

import { thumbnailPath } from "./api.js";
import { element } from "./dom.js";

const paths = new Map();

/** A picture of a trial's architecture, to stand beside its name; `fingerprint` where the network's is known. */
export function thumbnail(searchId, number, fingerprint = `${searchId} ${number}`) {
  if (!paths.has(fingerprint)) paths.set(fingerprint, thumbnailPath(searchId, number));
  return element("img", { class: "thumbnail", src: paths.get(fingerprint), alt: "", width: "112", height: "50", loading: "lazy", decoding: "async" });
}
