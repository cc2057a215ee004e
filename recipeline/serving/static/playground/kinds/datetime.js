/** Dates: a slider and a date's input, and a curve of their effect. Values are ISO 8601 without a zone, codes seconds since 1970. */

import { drawCurve } from "../curves.js";
import { cellText } from "../csv.js";
import { spread } from "../numbers.js";
import { RangedField } from "./ranged.js";
import { SLIDER_HINT } from "./slider.js";

const DAY = 86_400;
const STEPS = [1, 10, 60, 600, 3600, 6 * 3600, DAY];
const FEW_DAYS = 3 * DAY;
const DATE_POINTS = 25;
const FEWEST_STEPS = 100;

/** The kind of dates, and of dates with a time. */
export class DatetimeKind {
  noun = "date";
  hints = [SLIDER_HINT, "Type any date to go beyond; times are UTC."];
  pictureHint = "";

  makeField(feature, wiring) {
    return new RangedField(this, feature, wiring);
  }

  /** Return the median on a whole day or second: of an even number of rows it lies between. */
  startOf(feature) {
    const unit = unitOf(feature);
    return isoOf(Math.floor((feature.quantiles?.["0.5"] ?? feature.train_min ?? 0) / unit) * unit);
  }

  readCell(cell) {
    return cellText(cell);
  }

  pointsOf(feature) {
    const { train_min: low, train_max: high } = feature;
    if (low === null) return [];
    if (low === high) return [isoOf(low)];
    const unit = unitOf(feature);
    return [...new Set(spread(low, high, DATE_POINTS).map((code) => isoOf(Math.round(code / unit) * unit)))];
  }

  draw(effect, scale) {
    return drawCurve(this, effect, scale);
  }

  say(value) {
    return value.replace("T", " ").replace(/(:\d\d):00$/, "$1");
  }

  /** Return the text of an end of the training range: of a range of days without the time. */
  sayEnd(code, { train_min: low, train_max: high }) {
    const text = this.say(isoOf(code));
    return high - low >= FEW_DAYS ? text.slice(0, 10) : text;
  }

  codeOf(value) {
    return secondsOf(value);
  }

  valueOf(code) {
    return isoOf(code);
  }

  stepOf(feature) {
    const { train_min: low, train_max: high } = feature;
    return Math.max(unitOf(feature), ...STEPS.filter((step) => step <= (high - low) / FEWEST_STEPS));
  }

  boxOf(feature) {
    return isOfDays(feature) ? { type: "date" } : { type: "datetime-local", step: 1 };
  }

  /** Return a date as its input takes it: without a time, or with one to the second. */
  textOf(value, feature) {
    const [date, time = "00:00:00"] = value.split("T");
    return isOfDays(feature) ? date : `${date}T${time.slice(0, 8)}`;
  }

  readBox(box) {
    if (box.validity.badInput) return "?"; // half a date is not a missing one: the service says its rule
    return box.value === "" ? null : isoOf(secondsOf(box.value));
  }
}

/** Return whether the training rows have dates without a time. */
function isOfDays({ has_time: hasTime, train_min: low, train_max: high }) {
  return hasTime === undefined ? low % DAY === 0 && high % DAY === 0 : !hasTime;
}

function unitOf(feature) {
  return isOfDays(feature) ? DAY : 1;
}

/** Return the seconds of a text without a zone; browsers read thousandths of a second. */
function secondsOf(text) {
  return Date.parse(text.length > 10 ? `${text.replace(/(\.\d{3})\d+$/, "$1")}Z` : text) / 1000;
}

/** Return the text as the service writes it: no fraction that is 0, no time that is midnight. */
function isoOf(seconds) {
  return new Date(Math.round(1000 * seconds)).toISOString().replace(/Z$/, "").replace(/\.000$/, "").replace(/T00:00:00$/, "");
}
