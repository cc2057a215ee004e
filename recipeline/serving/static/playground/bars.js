/** The effect of one of several values: a bar for each, from the current prediction up or down. */

import { element, shape } from "./dom.js";
import { drawLevel, drawNow, heightOf, makePicture } from "./picture.js";

const WIDEST = 18;
const FILLED = 0.7;
const LEAST_HEIGHT = 1.5;

export const BARS_HINT = "Bars begin at your prediction.";

/** Return the bars, and below them which values have the least and the greatest prediction. */
export function drawBars(kind, { feature, xs, ys, value }, scale) {
  const say = (x) => kind.say(x, {});
  const canvas = makePicture(describeBars(feature, xs, ys, scale, say));
  if (ys.length < 2) return canvas;
  const middle = (place) => (100 * (place + 0.5)) / xs.length;
  const width = Math.min(WIDEST, (100 * FILLED) / xs.length);
  const bars = xs.map((x, place) => drawBar(middle(place) - width / 2, width, ys[place], scale, `${say(x)}: ${scale.text(ys[place])}`));
  canvas.append(drawLevel(scale), ...bars);
  if (xs.includes(value)) canvas.append(drawNow(middle(xs.indexOf(value)), scale));
  const [least, most] = [Math.min(...ys), Math.max(...ys)].map((y) => say(xs[ys.indexOf(y)]));
  return element("div", { class: "bars" }, canvas, element("p", { class: "extremes" }, element("span", {}, `least: ${least}`), element("span", {}, `most: ${most}`)));
}

function drawBar(x, width, prediction, scale, title) {
  const [from, to] = [heightOf(scale.here, scale), heightOf(prediction, scale)];
  const height = Math.max(LEAST_HEIGHT, Math.abs(to - from));
  return shape("rect", { class: "bar", x: `${x}%`, y: Math.min(from, to), width: `${width}%`, height, rx: 1.5 }, shape("title", {}, title));
}

function describeBars({ name }, xs, ys, { target, text }, say) {
  if (!ys.length) return `${name}: no value to compare`;
  if (ys.length < 2) return `${name}: one value in training`;
  return `${name}: ${target} is ${xs.map((x, place) => `${text(ys[place])} at ${say(x)}`).join(", ")}`;
}
