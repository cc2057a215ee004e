/** A slider over a feature's training range, on a line of numbers: a number itself, the seconds of a date. */

import { element } from "../dom.js";
import { clean } from "../numbers.js";

export const SLIDER_HINT = "Sliders span the training range; the bar below has half of the training rows in its dark part and 90 % in all of it.";

/** Return whether there is a range to slide over. */
export function hasRange({ train_min: low, train_max: high }) {
  return low !== null && high !== null && low < high;
}

/** The slider, and below it where the training rows lie. `moved(code)` is called when the user moves it; `say(code)` is its text, `sayEnd(code)` a short one. */
export class Slider {
  #feature;
  #step;
  #say;
  #sayEnd;
  #moved;
  #code = null;

  constructor(feature, id, { step, say, sayEnd, moved, ...properties }) {
    this.#feature = feature;
    this.#step = step;
    this.#say = say;
    this.#sayEnd = sayEnd;
    this.#moved = moved;
    const { train_min: low, train_max: high } = feature;
    this.input = element("input", {
      type: "range", id, min: low, max: high, step: "any", ...properties,
      oninput: () => this.#take(this.#slid()), onkeydown: (event) => this.#key(event),
    });
    this.node = this.#assemble();
  }

  /** Show a code, null for a missing value. */
  set code(code) {
    const { train_min: low, train_max: high } = this.#feature;
    this.#code = code;
    this.input.value = String(code ?? low);
    this.input.setAttribute("aria-valuetext", code === null ? "missing" : this.#say(code));
    const share = code === null ? 0 : Math.min(1, Math.max(0, (code - low) / (high - low)));
    this.input.style.setProperty("--share", String(share));
  }

  #take(code) {
    this.code = code;
    this.#moved(code);
  }

  /** Return the slider's code on a round step, or the end that it is at: the ends of a training range are seldom round. */
  #slid() {
    const { train_min: low, train_max: high } = this.#feature;
    const code = Number(this.input.value);
    if (code <= low || code >= high) return code;
    return Math.min(high, Math.max(low, clean(Math.round(code / this.#step) * this.#step)));
  }

  /** Move by round steps with the keys that move sliders: without a step of its own a slider's are not round. */
  #key(event) {
    const { train_min: low, train_max: high } = this.#feature;
    const moves = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 };
    if (!(event.key in moves) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const from = this.#code ?? Number(this.input.value);
    const to = clean((Math.round(from / this.#step) + moves[event.key]) * this.#step);
    this.#take(Math.min(high, Math.max(low, to)));
  }

  #assemble() {
    const { train_min: low, train_max: high, quantiles } = this.#feature;
    const ends = element("div", { class: "ends" }, element("span", {}, this.#sayEnd(low)), element("span", {}, this.#sayEnd(high)));
    if (!quantiles) return element("div", { class: "slider" }, this.input, ends);
    const at = (quantile) => `${(100 * (quantiles[quantile] - low)) / (high - low)}%`;
    const bar = (name, from, to) => {
      const made = element("span", { class: name });
      made.style.left = at(from);
      made.style.right = `calc(100% - ${at(to)})`;
      return made;
    };
    return element(
      "div", { class: "slider" },
      this.input,
      element("div", { class: "rows", "aria-hidden": "true" }, bar("most", "0.05", "0.95"), bar("half", "0.25", "0.75"), bar("middle", "0.5", "0.5")),
      ends,
    );
  }
}
