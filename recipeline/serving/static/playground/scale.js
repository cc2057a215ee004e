/** The picture of a prediction: the target's scale, the interval as a band, the prediction as a point. */

import { brief, ticksOf } from "./numbers.js";
import { shape } from "./dom.js";

const NARROWEST = 0.04;

/** Return the ends of the scale: the target's own, unless the interval would hardly be seen on it, or lies beyond it. */
export function scaleEnds(target, predicted) {
  const low = predicted.lower ?? predicted.value;
  const high = predicted.upper ?? predicted.value;
  const wide = high - low || Math.abs(high) || 1;
  const own = target.min !== null && target.max !== null && wide >= NARROWEST * (target.max - target.min);
  return own ? [Math.min(target.min, low), Math.max(target.max, high)] : [low - 2 * wide, high + 2 * wide];
}

/** Draw the prediction into an SVG element; positions are percentages, so that text keeps its size at any width. */
export function drawScale(canvas, [low, high], predicted, atSample) {
  const at = (value) => `${Math.min(100, Math.max(0, (100 * (value - low)) / (high - low)))}%`;
  const ticks = ticksOf(low, high, 5).map((value) =>
    shape("g", {}, shape("line", { class: "tick", x1: at(value), x2: at(value), y1: 34, y2: 40 }),
      shape("text", { class: "tick-text", x: at(value), y: 56 }, brief(value))));
  canvas.replaceChildren(
    shape("line", { class: "axis", x1: "0%", x2: "100%", y1: 34, y2: 34 }),
    ...ticks,
    ...band(predicted, low, high, at),
    ...(atSample === null ? [] : [shape("line", { class: "at-sample", x1: at(atSample), x2: at(atSample), y1: 8, y2: 34 })]),
    shape("line", { class: "stem", x1: at(predicted.value), x2: at(predicted.value), y1: 10, y2: 34 }),
    shape("circle", { class: "point", cx: at(predicted.value), cy: 20, r: 8 }),
  );
}

function band({ lower, upper }, low, high, at) {
  if (lower === null) return [];
  const width = `${(100 * (upper - lower)) / (high - low)}%`;
  const limit = (value) => shape("line", { class: "limit", x1: at(value), x2: at(value), y1: 8, y2: 32 });
  return [shape("rect", { class: "band", x: at(lower), y: 8, width, height: 24, rx: 3 }), limit(lower), limit(upper)];
}
