/** Several classes: the decided label, a bar for the probability of each, and the prediction set. */

import { byId, element, shape, show } from "../dom.js";
import { fixed } from "../numbers.js";

const MOST_SHARES = 6;
const SHARE_HEIGHT = 18;

/** The task of labels. */
export class MulticlassTask {
  wishesOf({ prediction_set: set }) {
    return set ? ["set"] : [];
  }

  factsOf({ metrics, prediction_set: set }) {
    return [
      ["Brier skill on test rows", metrics.brier_skill === undefined ? null : fixed(metrics.brier_skill, 3)],
      ["ROC AUC on test rows", metrics.roc_auc === undefined ? null : fixed(metrics.roc_auc, 3)],
      ["Test labels in the set", set?.test_coverage === undefined ? null : `${fixed(100 * set.test_coverage, 0)} %`],
    ];
  }

  isAnswered({ probabilities }) {
    return Object.values(probabilities[0]).every((share) => share !== null);
  }

  draw({ predictions, probabilities, set }, { target }, atSample) {
    const said = String(predictions[0]);
    byId("value").textContent = said;
    byId("value-unit").textContent = target.unit;
    byId("grade").textContent = "";
    byId("interval").textContent = [
      `probability ${percentOf(probabilities[0][said])}`,
      set ? `${Math.round(100 * set.level)} % set: ${set.labels[0].join(", ")}` : "",
    ].filter(Boolean).join(" · ");
    for (const id of ["scale", "legend-number"]) show(byId(id), false);
    show(byId("shares"));
    byId("shares").replaceChildren(...this.#drawShares(probabilities[0], said, target, atSample));
  }

  #drawShares(shares, said, target, atSample) {
    const texts = Object.keys(shares);
    const shown = texts.length > MOST_SHARES ? [...texts].sort((a, b) => shares[b] - shares[a]).slice(0, MOST_SHARES) : texts;
    const rows = shown.map((text) => drawShare(text, shares[text], text === said, this.leastOf(text, target), atSample?.[text]));
    const others = texts.length - shown.length;
    return others ? [...rows, element("li", { class: "hint" }, `and ${others} less likely labels`)] : rows;
  }

  /** Return the probability from which on a label is said, null where there is no such. */
  leastOf() {
    return null;
  }

  pick({ probabilities }, row) {
    return probabilities[row];
  }

  effectsOf(answer, model, here) {
    const label = this.labelOf(answer, model, here);
    return { numbers: answer.probabilities.map((shares) => shares[label]), called: `probability of ${label}`, lead: `The probability of ${label}. ` };
  }

  /** Return the label whose probability effects are drawn of: that of the current values. */
  labelOf({ predictions }, _, here) {
    return String(predictions[here]);
  }

  scoredColumns({ predictions, probabilities, model }) {
    const shares = Object.keys(probabilities[0] ?? {}).map((text) => ({ title: `probability_${text}`, values: probabilities.map((row) => row[text]), decimals: 3 }));
    return [{ title: `predicted_${model.target.name}`, values: predictions }, ...shares];
  }

  compare(cells, { predictions, model }) {
    const known = new Set(model.target.labels.map(String));
    if (!cells.length || !cells.every((cell) => known.has(cell.trim()))) return "";
    const right = cells.filter((cell, row) => cell.trim() === String(predictions[row])).length;
    return `The file's ${model.target.name} is the predicted label in ${percentOf(right / cells.length)} of the rows`;
  }
}

function percentOf(share) {
  return `${fixed(100 * share, share > 0.0005 && share < 0.9995 ? 1 : 0)} %`;
}

function drawShare(text, share, isSaid, least, atSample) {
  const height = { height: SHARE_HEIGHT };
  const canvas = shape("svg", { class: "share-bar", "aria-hidden": "true", ...height },
    shape("rect", { class: "share-all", width: "100%", rx: 3, ...height }),
    shape("rect", { class: "share", width: `${100 * share}%`, rx: 3, ...height }),
    least === null ? null : shape("line", { class: "least", x1: `${100 * least}%`, x2: `${100 * least}%`, y1: -3, y2: SHARE_HEIGHT + 3 }),
    atSample === undefined || atSample === null ? null : shape("line", { class: "at-sample", x1: `${100 * atSample}%`, x2: `${100 * atSample}%`, y1: 0, y2: SHARE_HEIGHT }));
  const rule = least === null ? null : element("span", { class: "least-text" }, `from ${percentOf(least)} on`);
  return element("li", { class: isSaid ? "is-said" : null }, element("span", { class: "share-label" }, text, " ", rule), canvas, element("span", { class: "share-text" }, percentOf(share)));
}
