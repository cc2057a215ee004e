/** Categories: a select of few values, an input with suggestions of many, and bars of their effect. */

import { BARS_HINT, drawBars } from "../bars.js";
import { cellText } from "../csv.js";
import { element, show } from "../dom.js";

const MOST_OPTIONS = 30;
const MOST_BARS = 12;

/** The kind of categories. */
export class CategoryKind {
  hints = [];
  pictureHint = BARS_HINT;

  makeField(feature, wiring) {
    return optionsOf(feature).length > MOST_OPTIONS ? new SuggestingField(feature, wiring) : new SelectField(feature, wiring);
  }

  /** Return the most frequent value. */
  startOf(feature) {
    return frequent(feature, 1)[0] ?? optionsOf(feature)[0] ?? null;
  }

  readCell(cell) {
    return cellText(cell);
  }

  /** Return the most frequent values and the current one, in their order in lists. */
  pointsOf(feature, current) {
    const shown = new Set(frequent(feature, MOST_BARS)).add(current);
    const known = optionsOf(feature).filter((name) => shown.has(name));
    return current === null || known.includes(current) ? known : [...known, current];
  }

  draw(effect, scale) {
    return drawBars(this, effect, scale);
  }

  say(value) {
    return value;
  }
}

/** Return the values to choose from: those of the training rows, and others that the recipe allows. */
function optionsOf({ categories = [], values = [] }) {
  return [...categories, ...values.filter((name) => !categories.includes(name))];
}

/** Return up to so many values of the training rows, the most frequent first. */
function frequent({ categories = [], counts = [] }, most) {
  const places = categories.map((_, place) => place);
  return places.sort((a, b) => (counts[b] ?? 0) - (counts[a] ?? 0)).slice(0, most).map((place) => categories[place]);
}

/** Return a text of how many training rows have a value. */
function describeShare({ categories = [], counts = [] }, value) {
  const place = categories.indexOf(value);
  const all = counts.reduce((sum, count) => sum + count, 0);
  if (value === null || !all) return "";
  if (place < 0) return "in no training row";
  const share = (100 * counts[place]) / all;
  return `in ${share >= 1 ? Math.round(share) : "less than 1"} % of the training rows`;
}

/** A select of values, with an entry for any other one unless the recipe lists what is possible. */
class SelectField {
  #feature;
  #options;
  #select;
  #other;
  #share = element("p", { class: "hint" });

  constructor(feature, { place, rule, changed }) {
    this.#feature = feature;
    this.#options = optionsOf(feature);
    const described = { "aria-describedby": rule };
    this.#select = element("select", { id: `box-${place}`, ...described, onchange: () => this.#choose(changed) },
      ...this.#options.map((name) => element("option", { value: name }, name)),
      feature.values?.length ? null : element("option", { value: "" }, "another value …"));
    this.#other = element("input", {
      type: "text", id: `other-${place}`, "aria-label": `${feature.name}, another value`, autocomplete: "off", ...described, hidden: true,
      oninput: () => this.#say(this.#other.value.trim() || null, changed),
    });
    this.main = this.#select;
    this.inputs = [this.#select, this.#other];
    this.nodes = [element("div", { class: "choice" }, this.#select, this.#other, this.#share)];
  }

  set value(value) {
    const isOther = value !== null && !this.#options.includes(value);
    this.#select.value = isOther ? "" : value ?? "";
    if (value === null) this.#select.selectedIndex = -1;
    this.#other.value = isOther ? value : "";
    show(this.#other, isOther);
    this.#share.textContent = describeShare(this.#feature, value);
  }

  #choose(changed) {
    const isOther = this.#select.value === "";
    show(this.#other, isOther);
    if (isOther) this.#other.focus();
    this.#say(isOther ? this.#other.value.trim() || null : this.#select.value, changed);
  }

  #say(value, changed) {
    this.#share.textContent = describeShare(this.#feature, value);
    changed(value);
  }
}

/** A text with suggestions. */
class SuggestingField {
  #feature;
  #box;
  #share = element("p", { class: "hint" });

  constructor(feature, { place, rule, changed }) {
    this.#feature = feature;
    const list = element("datalist", { id: `list-${place}` }, ...optionsOf(feature).map((name) => element("option", { value: name })));
    this.#box = element("input", {
      type: "text", id: `box-${place}`, list: list.id, autocomplete: "off", spellcheck: "false", "aria-describedby": rule,
      oninput: () => this.#type(changed),
    });
    this.main = this.#box;
    this.inputs = [this.#box];
    this.nodes = [element("div", { class: "choice" }, this.#box, list, this.#share)];
  }

  set value(value) {
    this.#box.value = value ?? "";
    this.#share.textContent = describeShare(this.#feature, value);
  }

  #type(changed) {
    const value = this.#box.value.trim() || null;
    this.#share.textContent = describeShare(this.#feature, value);
    changed(value);
  }
}
