/** One feature: the field of its kind, a tick for a missing value, and what the service says of the value, in place. */

import { element, show } from "./dom.js";
import { kindOf } from "./kinds/every.js";

/** A feature's control. `changed` is called when the user sets another value; null is a missing one. */
export class Control {
  #feature;
  #changed;
  #field;
  #missing = null;
  #rule;
  #value = null;

  constructor(feature, place, changed) {
    this.#feature = feature;
    this.#changed = changed;
    this.#rule = element("p", { class: "rule", id: `rule-${place}`, hidden: true });
    this.#field = kindOf(feature).makeField(feature, { place, rule: this.#rule.id, changed: (value) => this.#take(value) });
    if (feature.nullable) this.#missing = element("input", { type: "checkbox", "aria-label": `${feature.name}: missing`, onchange: () => this.#tick() });
    this.node = this.#assemble();
  }

  /** The type of its feature. */
  get type() {
    return this.#feature.type;
  }

  get value() {
    return this.#value;
  }

  set value(value) {
    this.#field.value = value;
    this.#keep(value);
  }

  /** Show what the service says of the value: a fault, a warning (`kind`), or nothing. */
  tell(text, kind = "") {
    this.#rule.textContent = text;
    show(this.#rule, text !== "");
    this.node.dataset.state = kind;
    for (const input of this.#field.inputs) input.setAttribute("aria-invalid", String(kind === "fault"));
  }

  focus() {
    this.#field.main.focus();
  }

  #keep(value) {
    this.#value = value;
    if (this.#missing) this.#missing.checked = value === null;
    this.node.classList.toggle("is-missing", value === null);
  }

  #take(value) {
    this.#keep(value);
    this.#changed();
  }

  #tick() {
    this.value = this.#missing.checked ? null : kindOf(this.#feature).startOf(this.#feature);
    this.#changed();
  }

  #assemble() {
    const { name, unit } = this.#feature;
    const label = element("label", { for: this.#field.main.id }, name);
    const missing = this.#missing && element("label", { class: "missing" }, this.#missing, " missing");
    return element(
      "li", { class: "control" },
      element("div", { class: "control-name" }, label, " ", element("span", { class: "unit" }, unit), missing),
      element("div", { class: "control-inputs" }, ...this.#field.nodes),
      this.#rule,
    );
  }
}
