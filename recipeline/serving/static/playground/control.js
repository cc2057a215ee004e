/** One feature: a slider over its training range, a box for any number, and what the service says of the value, in place. */

import { brief, clean, roundStep } from "./numbers.js";
import { element, show } from "./dom.js";

const SLIDER_STEPS = 100;

/** A feature's control. `changed` is called when the user sets another value; null is a missing one. */
export class Control {
  #feature;
  #changed;
  #slider;
  #box;
  #missing = null;
  #rule;
  #value = null;

  constructor(feature, place, changed) {
    this.#feature = feature;
    this.#changed = changed;
    this.#rule = element("p", { class: "rule", id: `rule-${place}`, hidden: true });
    this.#slider = this.#makeSlider(place);
    this.#box = this.#makeBox(place);
    if (feature.nullable) this.#missing = element("input", { type: "checkbox", onchange: () => this.#tick() });
    this.node = this.#assemble(place);
  }

  get value() {
    return this.#value;
  }

  set value(value) {
    this.#value = value;
    this.#box.value = value === null ? "" : String(clean(value));
    this.#showValue();
  }

  /** Show what the service says of the value: a fault, a warning (`kind`), or nothing. */
  tell(text, kind = "") {
    this.#rule.textContent = text;
    show(this.#rule, text !== "");
    this.node.dataset.state = kind;
    this.#box.setAttribute("aria-invalid", String(kind === "fault"));
  }

  focus() {
    (this.#slider ?? this.#box).focus();
  }

  get #hasRange() {
    const { train_min: low, train_max: high } = this.#feature;
    return low !== null && high !== null && low < high;
  }

  /** How far a key moves the value; whatever is typed may lie between. */
  get #step() {
    const { train_min: low, train_max: high, type } = this.#feature;
    if (type === "integer") return 1;
    return this.#hasRange ? roundStep(high - low, SLIDER_STEPS) : "any";
  }

  #makeSlider(place) {
    if (!this.#hasRange) return null;
    const { train_min: low, train_max: high } = this.#feature;
    const step = this.#step;
    const oninput = () => this.#take(this.#slid(step));
    return element("input", {
      type: "range", id: `slider-${place}`, min: low, max: high, step: "any", "aria-describedby": this.#rule.id, oninput,
      onkeydown: (event) => this.#key(event, step),
    });
  }

  /** Return the slider's value on a round step, or the end that it is at: the ends of a training range are seldom round. */
  #slid(step) {
    const { train_min: low, train_max: high } = this.#feature;
    const value = Number(this.#slider.value);
    if (value <= low || value >= high) return value;
    return Math.min(high, Math.max(low, clean(Math.round(value / step) * step)));
  }

  /** Move by round steps with the keys that move sliders: without a step of its own a slider's are not round. */
  #key(event, step) {
    const { train_min: low, train_max: high } = this.#feature;
    const moves = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 };
    if (!(event.key in moves) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const from = this.#value ?? Number(this.#slider.value);
    const to = clean((Math.round(from / step) + moves[event.key]) * step);
    this.#take(Math.min(high, Math.max(low, to)));
  }

  #makeBox(place) {
    return element("input", {
      type: "number", id: `box-${place}`, step: this.#step, "aria-label": `${this.#feature.name}, as a number`,
      "aria-describedby": this.#rule.id, autocomplete: "off", oninput: () => this.#type(),
    });
  }

  #take(value) {
    this.value = value;
    this.#changed();
  }

  /** Take what is typed as it is: the box must not be rewritten under the user's fingers. */
  #type() {
    const value = this.#box.valueAsNumber;
    this.#value = Number.isNaN(value) ? null : value;
    this.#showValue();
    this.#changed();
  }

  #tick() {
    const { train_min: low, quantiles } = this.#feature;
    this.#take(this.#missing.checked ? null : quantiles?.["0.5"] ?? low ?? 0);
  }

  #showValue() {
    const value = this.#value;
    if (this.#missing) this.#missing.checked = value === null;
    this.node.classList.toggle("is-missing", value === null);
    if (!this.#slider) return;
    const { train_min: low, train_max: high, unit } = this.#feature;
    this.#slider.value = String(value ?? low);
    this.#slider.setAttribute("aria-valuetext", value === null ? "missing" : `${brief(value)} ${unit}`.trim());
    const share = value === null ? 0 : Math.min(1, Math.max(0, (value - low) / (high - low)));
    this.#slider.style.setProperty("--share", String(share));
  }

  #assemble(place) {
    const { name, unit } = this.#feature;
    const label = element("label", { for: this.#slider ? this.#slider.id : this.#box.id }, name);
    const missing = this.#missing && element("label", { class: "missing" }, this.#missing, " missing");
    return element(
      "li", { class: "control" },
      element("div", { class: "control-name" }, label, " ", element("span", { class: "unit" }, unit), missing),
      element("div", { class: "control-inputs" }, this.#slider ? this.#withRange(place) : this.#withoutRange(), this.#box),
      this.#rule,
    );
  }

  #withRange() {
    const { train_min: low, train_max: high, quantiles } = this.#feature;
    const at = (quantile) => `${(100 * (quantiles[quantile] - low)) / (high - low)}%`;
    const bar = (name, from, to) => {
      const made = element("span", { class: name });
      made.style.left = at(from);
      made.style.right = `calc(100% - ${at(to)})`;
      return made;
    };
    return element(
      "div", { class: "slider" },
      this.#slider,
      element("div", { class: "rows", "aria-hidden": "true" }, bar("most", "0.05", "0.95"), bar("half", "0.25", "0.75"), bar("middle", "0.5", "0.5")),
      element("div", { class: "ends" }, element("span", {}, brief(low)), element("span", {}, brief(high))),
    );
  }

  #withoutRange() {
    const { train_min: low } = this.#feature;
    return element("p", { class: "slider hint" }, low === null ? "no value in training" : `always ${brief(low)} in training`);
  }
}
