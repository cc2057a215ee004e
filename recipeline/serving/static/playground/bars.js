/** The effect of one of several values: a bar for each, from the current prediction up or down. */

import { element, shape } from "./dom.js";
import { drawLevel, drawNow, heightOf, makePicture } from "./picture.js";

const WIDEST = 18;
const FILLED = 0.7;
const LEAST_HEIGHT = 1.5;
/** As many values have their names below their bars, and as many characters all of them. */
const MOST_NAMES = 4;
const MOST_CHARACTERS = 24;

export const BARS_HINT = "Bars begin at your prediction.";

/** Return the bars, and below them their names; of many or long ones those with the least and the greatest prediction. */
export function drawBars(kind, { feature, xs, ys, value }, scale) {
  const say = (x) => kind.say(x, {});
  const canvas = makePicture(describeBars(feature, xs, ys, scale, say));
  if (ys.length < 2) return canvas;
  const middle = (place) => (100 * (place + 0.5)) / xs.length;
  const width = Math.min(WIDEST, (100 * FILLED) / xs.length);
  const bars = xs.map((x, place) => drawBar(middle(place) - width / 2, width, ys[place], scale, `${say(x)}: ${scale.text(ys[place])}`));
  canvas.append(drawLevel(scale), ...bars);
  if (xs.includes(value)) canvas.append(drawNow(middle(xs.indexOf(value)), scale));
  return element("div", { class: "bars" }, canvas, nameBars(xs.map(say), ys));
}

function nameBars(names, ys) {
  if (names.length <= MOST_NAMES && Math.max(...names.map((name) => name.length)) * names.length <= MOST_CHARACTERS)
    return element("p", { class: "names", "aria-hidden": "true" }, ...names.map((name) => element("span", {}, name)));
  const [least, most] = [Math.min(...ys), Math.max(...ys)].map((y) => names[ys.indexOf(y)]);
  return element("p", { class: "extremes" }, element("span", {}, `least: ${least}`), element("span", {}, `most: ${most}`));
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
