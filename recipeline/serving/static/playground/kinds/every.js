/**
 * Every column kind of the page by the name of its type. A kind has
 *
 * - `makeField(feature, { place, rule, changed })`: what a value is set with: its `nodes`, `main` (the input that the name belongs to),
 *   `inputs` (those to mark where the value is refused), and `value`, to be set; `changed(value)` is called when the user sets another;
 * - `hints` of how its fields are used, and `pictureHint` of how its picture is read; `startOf(feature)`: the value that follows a missing one; `say(value, feature)`: the value's text;
 * - `readCell(cell)`: the value of JSON of a file's cell;
 * - `pointsOf(feature, current)`: the values whose predictions tell the feature's effect, and `draw(effect, scale)`, its picture.
 *
 * Values are those of JSON, null for a missing one.
 */

import { BooleanKind } from "./boolean.js";
import { CategoryKind } from "./category.js";
import { DatetimeKind } from "./datetime.js";
import { IntegerKind } from "./integer.js";
import { NumberKind } from "./number.js";
import { OtherKind } from "./other.js";

const KINDS = new Map([
  ["number", new NumberKind()],
  ["integer", new IntegerKind()],
  ["boolean", new BooleanKind()],
  ["category", new CategoryKind()],
  ["datetime", new DatetimeKind()],
]);
const OTHER = new OtherKind();

/** Return the kind of a feature. */
export function kindOf({ type }) {
  return KINDS.get(type) ?? OTHER;
}
