/** A table of a file, scored by the service: which columns it is asked about, in which portions, and what came of it. */

import { Refusal } from "./api.js";
import { readTable, writeTable } from "./csv.js";
import { kindOf } from "./kinds/every.js";
import { taskOf } from "./tasks/every.js";

const PORTION = 5000;

/**
 * Return a file's table; `faults` are those that can be seen before the service is asked. `titles` are the file's own, `header`
 * those of the model, by its `rename`.
 */
export function openTable(text, name, rename = {}) {
  const { separator, lines } = readTable(text);
  const [header = [], ...rows] = lines;
  const faults = rows.flatMap((cells, row) => (cells.length === header.length ? [] : [widthFault(row, cells, header)]));
  const titles = header.map((title) => title.trim());
  const named = titles.map((title) => (Object.hasOwn(rename, title) ? rename[title] : title));
  return { name, separator, titles, header: named, rows, faults: [...twice(named), ...faults] };
}

function widthFault(row, cells, header) {
  return { row, field: null, rule: `must have ${header.length} cells, as the first line has`, got: String(cells.length) };
}

function twice(header) {
  const repeated = new Set(header.filter((title, place) => header.indexOf(title) !== place));
  return [...repeated].map((field) => ({ row: null, field, rule: "must be unique", got: "a repeated name" }));
}

/** Return whether the model takes a column; where a column of the model is missing all are sent, for the service to tell. */
export function usedColumns(table, features) {
  const names = new Set(features.map(({ name }) => name));
  const complete = [...names].every((name) => table.header.includes(name));
  return table.header.map((title) => !complete || names.has(title));
}

/** Return the predictions of the rows with these numbers, or the faults of all of them; `told` is called with progress. */
export async function scoreRows(table, numbers, { api, model, wishes, told }) {
  const used = usedColumns(table, model.features);
  const byName = new Map(model.features.map((feature) => [feature.name, feature]));
  const kinds = table.header.map((title) => kindOf(byName.get(title) ?? {}));
  const scored = { predictions: [], probabilities: [], lower: [], upper: [], grade: [], warnings: [], faults: [], model };
  for (let first = 0; first < numbers.length; first += PORTION) {
    const portion = numbers.slice(first, first + PORTION);
    const rows = portion.map((number) => objectOf(table.header, table.rows[number], used, kinds));
    collect(scored, await scorePortion(api, rows, wishes), portion);
    told(Math.min(first + PORTION, numbers.length), numbers.length);
  }
  return scored;
}

function objectOf(header, cells, used, kinds) {
  return Object.fromEntries(header.flatMap((title, place) => (used[place] ? [[title, kinds[place].readCell(cells[place])]] : [])));
}

async function scorePortion(api, rows, wishes) {
  try {
    return await api.predict(rows, wishes);
  } catch (error) {
    if (error instanceof Refusal && error.faults.length) return { faults: error.faults };
    throw error;
  }
}

function collect(scored, { predictions = [], probabilities = [], interval, grade = [], warnings = [], faults = [], model }, portion) {
  if (model && model.run_id !== scored.model.run_id) throw new Refusal(0, "Another version is served since. Score the file again.");
  const inFile = (fault) => ({ ...fault, row: fault.row === null ? null : portion[fault.row] });
  scored.predictions.push(...predictions);
  scored.probabilities.push(...probabilities);
  scored.lower.push(...(interval?.lower ?? []));
  scored.upper.push(...(interval?.upper ?? []));
  scored.grade.push(...grade);
  scored.warnings.push(...warnings.map(inFile));
  scored.faults.push(...faults.map(inFile));
}

/** Return a sentence on the file's target beside the predictions, "" where there is none. */
export function compareTarget(table, numbers, scored) {
  const place = table.header.indexOf(scored.model.target.name);
  return place < 0 ? "" : taskOf(scored.model).compare(numbers.map((number) => table.rows[number][place] ?? ""), scored);
}

/** Return the file as it was, with the predictions as further columns; rows that were left out have none. */
export function writeScored(table, numbers, scored) {
  const columns = taskOf(scored.model).scoredColumns(scored);
  const places = new Map(numbers.map((number, place) => [number, place]));
  const cellsOf = (row) => columns.map(({ values }) => (places.has(row) ? values[places.get(row)] : ""));
  const titles = columns.map(({ title }) => unused(title, table.titles));
  const lines = [[...table.titles, ...titles], ...table.rows.map((cells, row) => [...cells, ...cellsOf(row)])];
  return writeTable(lines, table.separator);
}

function unused(title, header) {
  return header.includes(title) ? unused(`${title}_`, header) : title;
}
