/** What moves the prediction: along each feature's training range, the others held; and from the sample to here. */

import { decimalsOf, brief, fixed, signed, spread } from "./numbers.js";
import { element, shape } from "./dom.js";

const POINTS = 25;
const HEIGHT = 40;
const EDGE = 4;

/** Return the rows to ask for, and `read`, which makes effects, widest first, out of their predictions. */
export function planEffects(features, values, sample) {
  const rows = [];
  const ask = (changes) => rows.push(Object.fromEntries([...values, ...changes])) - 1;
  const plans = features.map((feature) => {
    const { name } = feature;
    const xs = pointsOf(feature);
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
  return { rows, read };
}

function pointsOf({ train_min: low, train_max: high, type }) {
  if (low === null) return [];
  if (low === high) return [low];
  const points = spread(low, high, POINTS);
  return type === "integer" ? [...new Set(points.map(Math.round))] : points;
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

/** Return the list's items: one scale of the prediction for all curves, so that they can be compared. */
export function drawEffects({ here, effects }, targetName, choose) {
  const heights = effects.flatMap(({ ys }) => ys).concat(here);
  const [low, high] = [Math.min(...heights), Math.max(...heights)];
  const reach = high - low || 1;
  const decimals = decimalsOf(reach);
  const y = (value) => EDGE + (HEIGHT - 2 * EDGE) * (1 - (value - low) / reach);
  const most = Math.max(...effects.map(({ moved }) => Math.abs(moved ?? 0)), reach / 4);
  return effects.map((effect) =>
    element("li", { class: "effect" },
      element("button", { type: "button", class: "effect-name", onclick: () => choose(effect.feature.name) }, effect.feature.name),
      curve(effect, here, y, describe(effect, targetName, decimals)),
      element("span", { class: "reach" }, fixed(effect.reach, decimals)),
      element("span", { class: "moved" }, movedBar(effect.moved, most), movedText(effect.moved, decimals))));
}

function describe({ feature, xs, ys }, targetName, decimals) {
  if (ys.length < 2) return `${feature.name}: one value in training`;
  const [from, to] = [ys[0], ys.at(-1)].map((value) => fixed(value, decimals));
  return `${feature.name}: ${targetName} goes from ${from} at ${brief(xs[0])} to ${to} at ${brief(xs.at(-1))}`;
}

/** Return a curve as wide as there is room: the line is stretched, the point on it is not. */
function curve({ xs, ys, value }, here, y, label) {
  const canvas = shape("svg", { class: "curve", height: HEIGHT, role: "img", "aria-label": label }, shape("title", {}, label));
  if (ys.length < 2) return canvas;
  const span = xs.at(-1) - xs[0];
  const points = xs.map((x, place) => `${(100 * (x - xs[0])) / span},${y(ys[place]).toFixed(2)}`).join(" ");
  const line = shape("polyline", { class: "line", points, "vector-effect": "non-scaling-stroke" });
  const box = { viewBox: `0 0 100 ${HEIGHT}`, preserveAspectRatio: "none", width: "100%", height: HEIGHT };
  canvas.append(
    shape("line", { class: "level", x1: "0%", x2: "100%", y1: y(here), y2: y(here) }),
    shape("svg", box, line),
  );
  if (value !== null) {
    const share = Math.min(1, Math.max(0, (value - xs[0]) / span));
    canvas.append(shape("circle", { class: "now", cx: `${100 * share}%`, cy: y(here), r: 4 }));
  }
  return canvas;
}

function movedBar(moved, most) {
  const canvas = shape("svg", { class: "moved-bar", "aria-hidden": "true", height: 12 });
  if (moved === null) return canvas;
  const width = (50 * Math.abs(moved)) / most;
  const side = moved > 0 ? "up" : "down";
  canvas.append(
    shape("rect", { class: side, x: `${moved > 0 ? 50 : 50 - width}%`, y: 2, width: `${width}%`, height: 8, rx: 2 }),
    shape("line", { class: "axis", x1: "50%", x2: "50%", y1: 0, y2: 12 }),
  );
  return canvas;
}

function movedText(moved, decimals) {
  return element("span", { class: "moved-text" }, moved === null ? "–" : signed(moved, decimals));
}
