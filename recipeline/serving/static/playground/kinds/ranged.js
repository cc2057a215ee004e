/** The field of a value on a line: a slider over its training range, where there is one, and a box for any value. */

import { element } from "../dom.js";
import { Slider, hasRange } from "./slider.js";

/** A slider and a box. `kind` turns values of JSON into codes and back, and reads and fills the box. */
export class RangedField {
  #kind;
  #feature;
  #slider = null;
  #box;

  constructor(kind, feature, { place, rule, changed }) {
    this.#kind = kind;
    this.#feature = feature;
    const described = { "aria-describedby": rule };
    if (hasRange(feature)) this.#slider = new Slider(feature, `slider-${place}`, { ...described, ...this.#sliding(changed) });
    this.#box = element("input", {
      id: `box-${place}`, "aria-label": `${feature.name}, as a ${kind.noun}`, autocomplete: "off", ...described, ...kind.boxOf(feature),
      oninput: () => this.#type(changed), onkeydown: (event) => this.#key(event, changed),
    });
    this.main = this.#slider?.input ?? this.#box;
    this.inputs = [this.#box];
    this.nodes = [this.#slider?.node ?? this.#withoutRange(), this.#box];
  }

  set value(value) {
    this.#box.value = value === null ? "" : this.#kind.textOf(value, this.#feature);
    this.#slide(value);
  }

  #sliding(changed) {
    const kind = this.#kind;
    const feature = this.#feature;
    const moved = (code) => {
      const value = kind.valueOf(code);
      this.#box.value = kind.textOf(value, feature);
      changed(value);
    };
    const say = (code) => kind.say(kind.valueOf(code), feature);
    return { step: kind.stepOf(feature), moved, say, sayEnd: (code) => kind.sayEnd(code, feature) };
  }

  /** Take what is typed as it is: the box must not be rewritten under the user's fingers. */
  #type(changed) {
    const value = this.#kind.readBox(this.#box);
    this.#slide(value);
    changed(value);
  }

  /** Move a number by a step with the keys that move numbers. */
  #key(event, changed) {
    const steps = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    const value = this.#kind.readBox(this.#box);
    if (!steps || !this.#kind.moved || typeof value !== "number" || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    this.#box.value = this.#kind.textOf(this.#kind.moved(value, this.#feature, steps), this.#feature);
    this.#type(changed);
  }

  #slide(value) {
    const code = value === null ? null : this.#kind.codeOf(value);
    if (this.#slider) this.#slider.code = Number.isFinite(code) ? code : null; // a text that is no number has no place on the line
  }

  #withoutRange() {
    const { train_min: low } = this.#feature;
    const text = low === null ? "no value in training" : `always ${this.#kind.sayEnd(low, this.#feature)} in training`;
    return element("p", { class: "slider hint" }, text);
  }
}
