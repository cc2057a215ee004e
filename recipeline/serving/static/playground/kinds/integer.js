/** Whole numbers: as numbers, in whole steps. */

import { NumberKind } from "./number.js";

/** The kind of whole numbers. */
export class IntegerKind extends NumberKind {
  pointsOf(feature) {
    return [...new Set(super.pointsOf(feature).map(Math.round))];
  }

  stepOf() {
    return 1;
  }
}
