/** True and false: a switch, and bars of their effect. */

import { BARS_HINT, drawBars } from "../bars.js";
import { cellNumber } from "../csv.js";
import { element } from "../dom.js";

/** The kind of true and false. */
export class BooleanKind {
  hints = [];
  pictureHint = BARS_HINT;

  makeField(feature, wiring) {
    return new BooleanField(feature, wiring);
  }

  /** Return the more frequent value: the median is 0 or 1, and 0.5 where both are equally frequent. */
  startOf({ quantiles }) {
    return (quantiles?.["0.5"] ?? 0) >= 0.5;
  }

  /** Return 1 and 0 as numbers; the service knows the words. */
  readCell(cell) {
    return cellNumber(cell);
  }

  pointsOf({ train_min: low, train_max: high }) {
    if (low === null) return [];
    return low === high ? [high > 0] : [false, true];
  }

  draw(effect, scale) {
    return drawBars(this, effect, scale);
  }

  say(value) {
    return String(value);
  }
}

/** A switch; a missing value is neither on nor off. */
class BooleanField {
  #switch;
  #word = element("span", { class: "switch-word", "aria-hidden": "true" });

  constructor({ train_min: low, train_max: high }, { place, rule, changed }) {
    const onchange = () => {
      this.value = this.#switch.checked;
      changed(this.#switch.checked);
    };
    this.#switch = element("input", { type: "checkbox", role: "switch", class: "switch", id: `box-${place}`, "aria-describedby": rule, onchange });
    this.main = this.#switch;
    this.inputs = [this.#switch];
    const only = low === null ? "no value in training" : `always ${high > 0} in training`;
    this.nodes = [element("span", { class: "switch-line" }, this.#switch, this.#word), low === high ? element("p", { class: "hint" }, only) : null];
  }

  set value(value) {
    this.#switch.checked = value === true;
    this.#switch.indeterminate = value === null;
    this.#word.textContent = value === null ? "" : String(value);
  }
}
