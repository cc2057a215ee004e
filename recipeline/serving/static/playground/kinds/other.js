/** A kind of a newer version, of which this page knows nothing: a box of text. */

import { drawBars } from "../bars.js";
import { cellNumber } from "../csv.js";
import { element } from "../dom.js";

/** The kind of values that are not known. */
export class OtherKind {
  hints = [];
  pictureHint = "";

  makeField(feature, wiring) {
    return new OtherField(wiring);
  }

  startOf() {
    return null;
  }

  readCell(cell) {
    return cellNumber(cell);
  }

  /** Return no values: nothing tells which ones are possible. */
  pointsOf() {
    return [];
  }

  draw(effect, scale) {
    return drawBars(this, effect, scale);
  }

  say(value) {
    return String(value);
  }
}

/** A box of text, of which numbers are sent as numbers. */
class OtherField {
  #box;

  constructor({ place, rule, changed }) {
    this.#box = element("input", {
      type: "text", id: `box-${place}`, autocomplete: "off", "aria-describedby": rule, oninput: () => changed(cellNumber(this.#box.value)),
    });
    this.main = this.#box;
    this.inputs = [this.#box];
    this.nodes = [element("div", { class: "choice" }, this.#box)];
  }

  set value(value) {
    this.#box.value = value === null ? "" : String(value);
  }
}
