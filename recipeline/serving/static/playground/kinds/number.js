/** Numbers: a slider and a box, and a curve of their effect. */

import { drawCurve } from "../curves.js";
import { cellNumber, typedNumber } from "../csv.js";
import { brief, clean, roundStep, spread } from "../numbers.js";
import { RangedField } from "./ranged.js";
import { SLIDER_HINT, hasRange } from "./slider.js";

const SLIDER_STEPS = 100;
const CURVE_POINTS = 25;

/** The kind of numbers. Their codes are they themselves. */
export class NumberKind {
  noun = "number";
  hints = [SLIDER_HINT, "Type any number to go beyond."];
  pictureHint = "";

  makeField(feature, wiring) {
    return new RangedField(this, feature, wiring);
  }

  /** Return the value to begin with where a missing one is no longer to be missing. */
  startOf({ train_min: low, quantiles }) {
    return quantiles?.["0.5"] ?? low ?? 0;
  }

  /** Return the value of a file's cell as JSON has it. */
  readCell(cell) {
    return cellNumber(cell);
  }

  /** Return the values whose predictions tell the feature's effect. */
  pointsOf({ train_min: low, train_max: high }) {
    if (low === null) return [];
    return low === high ? [low] : spread(low, high, CURVE_POINTS);
  }

  draw(effect, scale) {
    return drawCurve(this, effect, scale);
  }

  say(value, { unit = "" }) {
    return `${brief(value)} ${unit}`.trim();
  }

  /** Return the text of an end of the training range, as short as it may be. */
  sayEnd(code) {
    return brief(code);
  }

  codeOf(value) {
    return value;
  }

  valueOf(code) {
    return code;
  }

  /** Return how far a key moves the slider; whatever is typed may lie between. */
  stepOf({ train_min: low, train_max: high }) {
    return roundStep(high - low, SLIDER_STEPS);
  }

  /** Return a box of text: an input of numbers drops a decimal comma or takes it for a missing value, as the browser likes. */
  boxOf({ train_min: low }) {
    // The keyboard of decimals has no minus on some telephones.
    return { type: "text", role: "spinbutton", class: "number", inputmode: low !== null && low >= 0 ? "decimal" : "text" };
  }

  textOf(value) {
    return typeof value === "number" ? String(clean(value)) : value;
  }

  readBox(box) {
    return typedNumber(box.value);
  }

  /** Return the round value that so many steps lead to from another. */
  moved(value, feature, steps) {
    const step = hasRange(feature) ? this.stepOf(feature) : 1;
    return clean((Math.round(value / step) + steps) * step);
  }
}
