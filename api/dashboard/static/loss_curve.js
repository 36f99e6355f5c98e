// The training loss as a small drawing of its own.

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [320, 72];

function svg(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

/** A figure of (step, loss) points, at least two. */
export function lossCurve(points) {
  const lastStep = points.at(-1)[0];
  const highest = Math.max(...points.map(([, loss]) => loss));
  const path = points.map(([step, loss]) => `${((step / lastStep) * WIDTH).toFixed(1)},${(HEIGHT - (loss / highest) * (HEIGHT - 4)).toFixed(1)}`);
  const [first, last] = [points[0][1].toFixed(2), points.at(-1)[1].toFixed(2)];
  const label = `Training loss: from ${first} to ${last} in ${lastStep} steps`;
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "loss", role: "img", "aria-label": label });
  picture.append(svg("line", { x1: 0, y1: HEIGHT - 0.5, x2: WIDTH, y2: HEIGHT - 0.5 }), svg("polyline", { points: path.join(" ") }));
  const caption = document.createElement("figcaption");
  caption.textContent = label;
  const figure = document.createElement("figure");
  figure.append(picture, caption);
  return figure;
}
