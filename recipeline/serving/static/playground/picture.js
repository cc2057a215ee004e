/** The ground of a feature's picture: its size, the level of the current prediction, and the mark of the current value. */

import { shape } from "./dom.js";

export const PICTURE_HEIGHT = 40;
const EDGE = 4;

/** Return an empty picture that is called `label`. */
export function makePicture(label) {
  return shape("svg", { class: "curve", height: PICTURE_HEIGHT, role: "img", "aria-label": label }, shape("title", {}, label));
}

/** Return the height of a prediction, as pixels from the top. */
export function heightOf(prediction, { share }) {
  return EDGE + (PICTURE_HEIGHT - 2 * EDGE) * (1 - share(prediction));
}

/** Return the line at the current prediction. */
export function drawLevel(scale) {
  const y = heightOf(scale.here, scale);
  return shape("line", { class: "level", x1: "0%", x2: "100%", y1: y, y2: y });
}

/** Return the point at the current value, so many percent from the left. */
export function drawNow(percent, scale) {
  return shape("circle", { class: "now", cx: `${percent}%`, cy: heightOf(scale.here, scale), r: 4 });
}
