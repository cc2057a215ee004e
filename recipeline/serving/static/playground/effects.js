/** What moves the prediction: along each feature's training range, the others held; and from the sample to here. */

import { element, shape } from "./dom.js";
import { kindOf } from "./kinds/every.js";
import { decimalsOf, fixed, signed } from "./numbers.js";

const MOVED_HEIGHT = 12;

/** Return the rows to ask for, the places of the current one and the sample, and `read`: from their predictions to effects, widest first. */
export function planEffects(features, values, sample) {
  const rows = [];
  const ask = (changes) => rows.push(Object.fromEntries([...values, ...changes])) - 1;
  const plans = features.map((feature) => {
    const { name } = feature;
    const xs = kindOf(feature).pointsOf(feature, values.get(name));
    const moved = values.get(name) !== sample[name];
    return { feature, xs, first: rows.length, count: xs.map((x) => ask([[name, x]])).length, back: moved ? ask([[name, sample[name]]]) : null };
  });
  const here = ask([]);
  const start = ask(Object.entries(sample));
  const read = (predictions) => ({
    here: predictions[here],
    start: predictions[start],
    effects: plans.map((plan) => effectOf(plan, predictions, values, here)).sort((a, b) => b.reach - a.reach),
  });
  return { rows, read, here, start };
}

function effectOf({ feature, xs, first, count, back }, predictions, values, here) {
  const ys = predictions.slice(first, first + count);
  return {
    feature, xs, ys,
    value: values.get(feature.name),
    reach: ys.length ? Math.max(...ys) - Math.min(...ys) : 0,
    moved: back === null ? null : predictions[here] - predictions[back],
  };
}

/** Return the list's items: one scale of the prediction for all pictures, so that they can be compared. */
export function drawEffects({ here, effects }, targetName, choose) {
  const heights = effects.flatMap(({ ys }) => ys).concat(here);
  const [low, high] = [Math.min(...heights), Math.max(...heights)];
  const reach = high - low || 1;
  const decimals = decimalsOf(reach);
  const scale = { here, target: targetName, share: (value) => (value - low) / reach, text: (value) => fixed(value, decimals) };
  const most = Math.max(...effects.map(({ moved }) => Math.abs(moved ?? 0)), reach / 4);
  return effects.map((effect) =>
    element("li", { class: "effect" },
      element("button", { type: "button", class: "effect-name", onclick: () => choose(effect.feature.name) }, effect.feature.name),
      kindOf(effect.feature).draw(effect, scale),
      element("span", { class: "reach" }, fixed(effect.reach, decimals)),
      element("span", { class: "moved" }, movedBar(effect.moved, most), movedText(effect.moved, decimals))));
}

function movedBar(moved, most) {
  const canvas = shape("svg", { class: "moved-bar", "aria-hidden": "true", height: MOVED_HEIGHT });
  if (moved === null) return canvas;
  const width = (50 * Math.abs(moved)) / most;
  const side = moved > 0 ? "up" : "down";
  canvas.append(
    shape("rect", { class: side, x: `${moved > 0 ? 50 : 50 - width}%`, y: 2, width: `${width}%`, height: 8, rx: 2 }),
    shape("line", { class: "axis", x1: "50%", x2: "50%", y1: 0, y2: MOVED_HEIGHT }),
  );
  return canvas;
}

function movedText(moved, decimals) {
  return element("span", { class: "moved-text" }, moved === null ? "–" : signed(moved, decimals));
}
