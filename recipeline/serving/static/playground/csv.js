/** Tables of text: read with whatever separates their cells, and written the same way. */

import { MINUS } from "./numbers.js";

const SEPARATORS = [";", ",", "\t"];
const THOUSANDS = /^[+-]?[1-9]\d{0,2},\d{3}$/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** Return the cells of each line that is not empty, and the separator that the first line has most often. */
export function readTable(text) {
  const separator = separatorOf(text);
  return { separator, lines: linesOf(text, separator).filter((cells) => cells.length > 1 || cells[0].trim() !== "") };
}

/** Return lines of cells as text; cells that would be read as several are quoted. */
export function writeTable(lines, separator) {
  const quoted = (cell) => (/["\r\n]/.test(cell) || cell.includes(separator) ? `"${cell.replaceAll('"', '""')}"` : cell);
  return lines.map((cells) => cells.map((cell) => quoted(String(cell))).join(separator) + "\n").join("");
}

/** Return the value of a cell as JSON has it: a number, null where it is empty, and else its text, for the service to judge. */
export function cellNumber(cell) {
  const text = cell.trim();
  if (text === "") return null;
  return NUMBER.test(text) && Number.isFinite(Number(text)) ? Number(text) : cell;
}

/** Return the number of a field as JSON has it: as of a cell, and with a decimal comma. `1,234` may be a thousand and more: it stays text, as does what is no number. */
export function typedNumber(typed) {
  const text = typed.trim().replace(MINUS, "-");
  const plain = THOUSANDS.test(text) ? text : text.replace(/^([^.,]*),([^.,]*)$/, "$1.$2");
  const value = cellNumber(plain);
  return typeof value === "string" ? typed : value;
}

/** Return the text of a cell, null where it is empty: "007" is no number. */
export function cellText(cell) {
  return cell.trim() || null;
}

function separatorOf(text) {
  const header = text.slice(0, 10_000).replace(/"[^"]*"/g, "").split(/[\r\n]/, 1)[0];
  const count = (separator) => header.split(separator).length;
  return SEPARATORS.reduce((best, other) => (count(other) > count(best) ? other : best));
}

function linesOf(text, separator) {
  const lines = [[]];
  const pattern = new RegExp(`("(?:[^"]|"")*"?|[^${separator}\\r\\n]*)(${separator}|\\r\\n|\\r|\\n|$)`, "gy");
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    lines.at(-1).push(unquoted(match[1]));
    if (match[2] === "") break;
    if (match[2] !== separator) lines.push([]);
  }
  return lines;
}

function unquoted(cell) {
  return cell.startsWith('"') ? cell.replace(/^"|"$/g, "").replaceAll('""', '"') : cell;
}
