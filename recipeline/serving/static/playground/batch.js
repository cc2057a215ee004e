/** The panel that takes a CSV file: dropped or chosen, scored, shown as a table with its faults in place, and given back. */

import { Refusal } from "./api.js";
import { cellNumber } from "./csv.js";
import { byId, element, show } from "./dom.js";
import { fixed } from "./numbers.js";
import { compareTarget, openTable, scoreRows, usedColumns, writeScored } from "./scoring.js";
import { taskOf } from "./tasks/every.js";

const LARGEST = 50 * 2 ** 20;
const FIRST_ROWS = 50;
const MOST_ROWS = 200;
/** Types whose columns stand to the right. */
const NUMBERS = new Set(["number", "integer"]);

/** The panel. `context()` tells whom to ask: the api, the model, and the wishes of a request. */
export class Batch {
  #context;
  #refused;
  #table = null;

  constructor(context, refused) {
    this.#context = context;
    this.#refused = refused;
    const input = byId("file");
    input.addEventListener("change", () => this.#take(input.files[0]).finally(() => (input.value = "")));
    this.#acceptDrops(byId("drop"));
    byId("table-frame").addEventListener("scroll", markMore, { passive: true });
    new ResizeObserver(markMore).observe(byId("table-frame"));
  }

  /** Forget what is shown: it was another model's. */
  outdate() {
    if (this.#table) this.#tell("Another version is served since. Take the file again for its predictions.");
  }

  #acceptDrops(zone) {
    const over = (event) => {
      event.preventDefault();
      zone.classList.add("is-over");
    };
    zone.addEventListener("dragover", over);
    zone.addEventListener("dragleave", () => zone.classList.remove("is-over"));
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      zone.classList.remove("is-over");
      this.#take(event.dataTransfer.files[0]);
    });
  }

  async #take(file) {
    if (!file) return;
    this.#clear();
    if (file.size > LARGEST) return this.#tell(`${file.name} is larger than 50 MiB. Take part of it.`, "fault");
    this.#table = openTable(await file.text(), file.name, this.#context().model?.rename);
    if (!this.#table.rows.length) return this.#tell(`${file.name} must have a line of column names and at least one row.`, "fault");
    if (this.#table.faults.length) return this.#showFaults(this.#table.faults);
    await this.#score(this.#table.rows.map((_, row) => row));
  }

  async #score(numbers) {
    const table = this.#table;
    const told = (done, all) => this.#tell(`${count(done, "row")} of ${count(all, "row")}`);
    byId("scored").setAttribute("aria-busy", "true");
    try {
      const scored = await scoreRows(table, numbers, { ...this.#context(), told });
      if (table !== this.#table) return;
      if (scored.faults.length) this.#showFaults(scored.faults);
      else this.#showScored(numbers, scored);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#tell(error.message, "fault");
      this.#refused(error);
    } finally {
      byId("scored").removeAttribute("aria-busy");
    }
  }

  #showFaults(faults) {
    const rows = new Set(faults.map(({ row }) => row).filter((row) => row !== null));
    const whole = faults.filter(({ row }) => row === null);
    const sound = this.#table.rows.map((_, row) => row).filter((row) => !rows.has(row));
    this.#tell(`${this.#table.name}: ${count(faults.length, "fault")}${rows.size ? ` in ${count(rows.size, "row")}` : ""}. Nothing is predicted yet.`, "fault");
    byId("file-faults").replaceChildren(...whole.map(({ field, rule, got }) => element("li", {}, `${field ?? "the file"}: ${rule}. Got ${got}.`)));
    this.#drawTable(sound, null, faults, "fault");
    if (sound.length && rows.size && !whole.length) {
      const text = `Leave ${count(rows.size, "row")} out, predict the ${count(sound.length, "other")}`;
      byId("file-actions").replaceChildren(element("button", { type: "button", onclick: () => this.#again(sound) }, text));
    }
  }

  #again(numbers) {
    byId("file-actions").replaceChildren();
    byId("file-faults").replaceChildren();
    this.#table.faults = [];
    return this.#score(numbers);
  }

  #showScored(numbers, scored) {
    const { name, rows } = this.#table;
    const left = rows.length - numbers.length;
    const compared = compareTarget(this.#table, numbers, scored);
    const outside = new Set(scored.warnings.map(({ row }) => row)).size;
    this.#tell([
      `${name}: ${count(numbers.length, "row")} predicted by version ${scored.model.version}.`,
      left ? `${count(left, "row")} left out.` : "",
      outside ? `${count(outside, "row")} ${outside === 1 ? "has" : "have"} values that the model was not trained on.` : "",
    ].filter(Boolean).join(" "));
    this.#drawTable(numbers, scored, scored.warnings, "warning");
    if (compared) byId("table-note").append(` ${compared}, which flatters where the model was trained on some of these rows.`);
    byId("file-actions").replaceChildren(this.#downloadButton(numbers, scored));
  }

  #downloadButton(numbers, scored) {
    const table = this.#table;
    const onclick = () => download(writeScored(table, numbers, scored), table.name.replace(/(\.\w+)?$/, "-scored.csv"));
    return element("button", { type: "button", class: "primary", onclick }, "Download the scored CSV");
  }

  #drawTable(numbers, scored, notes, kind) {
    const table = this.#table;
    const notesOf = groupNotes(notes);
    const columns = columnsOf(table, this.#context().model, notes, scored);
    const shown = shownRows(table.rows.length, notesOf);
    const places = new Map(numbers.map((number, place) => [number, place]));
    const body = shown.map((row) => drawRow(table, row, columns, { place: places.get(row), notes: notesOf.get(row), kind }));
    const faulty = new Set(notes.map(({ field }) => field));
    byId("table").replaceChildren(
      element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "row"), ...columns.map((column) => drawTitle(column, faulty, kind)))),
      element("tbody", {}, ...body));
    show(byId("table-frame"));
    markMore();
    const part = shown.length < table.rows.length ? `Shown are ${shown.length} of ${table.rows.length} rows: the first, and those with something to say.` : "";
    byId("table-note").textContent = part;
  }

  #clear() {
    this.#table = null;
    this.#tell("");
    for (const id of ["file-actions", "file-faults", "table"]) byId(id).replaceChildren();
    byId("table-note").textContent = "";
    show(byId("table-frame"), false);
    markMore();
  }

  #tell(text, kind = "") {
    byId("file-status").textContent = text;
    byId("file-status").dataset.state = kind;
  }
}

/** Say where a part of the table is hidden to the right: on a narrow screen no scroll bar shows it. */
function markMore() {
  const frame = byId("table-frame");
  frame.parentElement.classList.toggle("more", frame.scrollLeft < frame.scrollWidth - frame.clientWidth - 1);
}

function groupNotes(notes) {
  const found = new Map();
  for (const note of notes.filter(({ row }) => row !== null)) found.set(note.row, [...(found.get(note.row) ?? []), note]);
  return found;
}

/** Return the columns to show: what was predicted, the file's own, and those that are missing from it. */
function columnsOf(table, model, notes, scored) {
  const used = usedColumns(table, model.features);
  const types = new Map(model.features.map(({ name, type }) => [name, type]));
  const own = table.header.map((title, place) => {
    const isText = used[place] ? !NUMBERS.has(types.get(title)) : table.rows.some((cells) => typeof cellNumber(cells[place] ?? "") === "string");
    return { title, place, isText, kind: used[place] ? "own" : "unused" };
  });
  const fields = new Set(notes.map(({ field }) => field).filter((field) => field !== null && !table.header.includes(field)));
  const missing = [...fields].map((title) => ({ title, kind: "absent" }));
  return [...(scored ? resultColumns(scored) : []), ...missing, ...own];
}

function resultColumns(scored) {
  return taskOf(scored.model).scoredColumns(scored).map((column) => ({ ...column, isText: column.decimals === undefined, kind: "result" }));
}

function shownRows(length, notesOf) {
  const first = Array.from({ length: Math.min(length, FIRST_ROWS) }, (_, row) => row);
  return [...new Set([...first, ...notesOf.keys()])].sort((a, b) => a - b).slice(0, MOST_ROWS);
}

function drawTitle({ title, kind, isText }, faulty, state) {
  const hint = { unused: "not used by the model", absent: "not in the file" }[kind];
  return element("th", { scope: "col", class: `${kind}${isText ? " words" : ""}${faulty.has(title) ? ` ${state}` : ""}` }, title, hint && element("small", {}, hint));
}

function drawRow(table, row, columns, { place, notes = [], kind }) {
  const whole = notes.filter(({ field }) => field === null);
  const cells = columns.map((column) => drawCell(column, table.rows[row], place, notes.filter(({ field }) => field === column.title), kind));
  const number = element("th", { scope: "row" }, String(row + 1), ...whole.map(drawNote));
  return element("tr", { class: notes.length ? kind : null }, number, ...cells);
}

function drawCell({ kind: column, place: own, values, decimals, isText }, cells, place, notes, kind) {
  const text = column === "result" ? resultText(values[place], decimals) : cells[own] ?? "";
  return element("td", { class: `${column}${isText ? " words" : ""}${notes.length ? ` ${kind}` : ""}` }, text, ...notes.map(drawNote));
}

function resultText(value, decimals) {
  if (value === undefined || value === null) return "–";
  return decimals === undefined ? String(value) : fixed(value, decimals);
}

/** Return what the service says, and what it got where the cell does not show that, as of a column's name. */
function drawNote({ rule, got, field }) {
  const seen = field !== null && !/^must be one of the model's columns/.test(rule);
  return element("small", { class: "note" }, seen ? rule : `${rule}, got ${got}`);
}

function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

function download(text, name) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
