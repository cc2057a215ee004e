/** The effect of a value on a line: a curve over its training range. */

import { shape } from "./dom.js";
import { PICTURE_HEIGHT, drawLevel, drawNow, heightOf, makePicture } from "./picture.js";

/** Return a curve as wide as there is room: the line is stretched, the point on it is not. */
export function drawCurve(kind, { feature, xs, ys, value }, scale) {
  const say = (x) => kind.say(x, {});
  const canvas = makePicture(describeCurve(feature, xs, ys, scale, say));
  if (ys.length < 2) return canvas;
  const [first, last] = [xs[0], xs.at(-1)].map((x) => kind.codeOf(x));
  const at = (x) => (100 * (kind.codeOf(x) - first)) / (last - first);
  const points = xs.map((x, place) => `${at(x)},${heightOf(ys[place], scale).toFixed(2)}`).join(" ");
  const line = shape("polyline", { class: "line", points, "vector-effect": "non-scaling-stroke" });
  const box = { viewBox: `0 0 100 ${PICTURE_HEIGHT}`, preserveAspectRatio: "none", width: "100%", height: PICTURE_HEIGHT };
  canvas.append(drawLevel(scale), shape("svg", box, line));
  if (value !== null) canvas.append(drawNow(Math.min(100, Math.max(0, at(value))), scale));
  return canvas;
}

function describeCurve({ name }, xs, ys, { target, text }, say) {
  if (ys.length < 2) return `${name}: one value in training`;
  return `${name}: ${target} goes from ${text(ys[0])} at ${say(xs[0])} to ${text(ys.at(-1))} at ${say(xs.at(-1))}`;
}
