/** Regression: a number on its target's scale, with an interval and a grade where the version has them. */

import { cellNumber } from "../csv.js";
import { byId, show } from "../dom.js";
import { decimalsOf, fixed } from "../numbers.js";
import { drawScale, scaleEnds } from "../scale.js";

/** The task of numbers. */
export class RegressionTask {
  wishesOf({ interval, target }) {
    return [...(interval ? ["interval"] : []), ...(target.type === "integer" ? ["grade"] : [])];
  }

  factsOf({ metrics, interval }) {
    return [
      ["R² on test rows", metrics.r2 === undefined ? null : fixed(metrics.r2, 3)],
      ["MAE on test rows", metrics.mae === undefined ? null : fixed(metrics.mae, 3)],
      ["Test rows in the interval", interval?.test_coverage === undefined ? null : `${fixed(100 * interval.test_coverage, 0)} %`],
    ];
  }

  /** Whether the answer to one row says anything. */
  isAnswered({ predictions }) {
    return predictions[0] !== null;
  }

  /** Show the answer to one row; `atSample` is that of the sample, null where it is not known yet. */
  draw({ predictions, interval, grade }, { target }, atSample) {
    const predicted = { value: predictions[0], lower: interval?.lower[0] ?? null, upper: interval?.upper[0] ?? null };
    const ends = scaleEnds(target, predicted);
    const decimals = decimalsOf(interval ? predicted.upper - predicted.lower : ends[1] - ends[0]);
    byId("value").textContent = fixed(predicted.value, decimals);
    byId("value-unit").textContent = target.unit;
    byId("interval").textContent = interval
      ? `${Math.round(100 * interval.level)} % interval ${fixed(predicted.lower, decimals)} to ${fixed(predicted.upper, decimals)}` : "";
    byId("grade").textContent = grade ? `rounded ${grade[0]}` : "";
    for (const id of ["scale", "legend-number"]) show(byId(id));
    show(byId("shares"), false);
    drawScale(byId("scale"), ends, predicted, atSample);
  }

  /** Return the answer to a row of several, as `draw` takes that of the sample. */
  pick({ predictions }, row) {
    return predictions[row];
  }

  /** Return the number of each row that effects are drawn of, and what it is called. */
  effectsOf({ predictions }, { target }) {
    return { numbers: predictions, called: target.name, lead: "" };
  }

  /** Return the columns that scoring adds to a file. */
  scoredColumns({ predictions, lower, upper, grade, model }) {
    const level = model.interval ? Math.round(100 * model.interval.level) : 0;
    const span = lower.length ? upper[0] - lower[0] : predictions.reduce((a, b) => Math.max(a, b)) - predictions.reduce((a, b) => Math.min(a, b));
    const decimals = decimalsOf(span);
    return [
      { title: `predicted_${model.target.name}`, values: predictions, decimals },
      { title: `lower_${level}`, values: lower, decimals },
      { title: `upper_${level}`, values: upper, decimals },
      { title: "grade", values: grade, decimals: 0 },
    ].filter(({ values }) => values.length);
  }

  /** Return a sentence on how the target of a file compares with what is predicted; "" where the file has none. */
  compare(cells, { predictions, model }) {
    const truths = cells.map(cellNumber);
    if (!truths.length || !truths.every((truth) => typeof truth === "number")) return "";
    const mean = truths.reduce((sum, truth, row) => sum + Math.abs(truth - predictions[row]), 0) / truths.length;
    return `The file's ${model.target.name} is ${fixed(mean, 3)} from the predictions on average (MAE)`;
  }
}
