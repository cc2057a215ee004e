"""Every kind of file has one verdict at every door.

The same rows, or a refusal for the same reason.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from recipeline.cli.rows import check_labelled, find_labelled, open_tables
from recipeline.config.recipe import Recipe
from recipeline.data.checking.schema import validate_table
from recipeline.data.origin.paths import local_paths
from recipeline.data.origin.sources import read_source
from recipeline.data.reading.formats import Format
from recipeline.errors import DataError, missing_rows
from recipeline.inference.batch import Job
from recipeline.inference.model_info import Feature
from recipeline.inference.predictor import Asked
from recipeline.monitoring.live.labels import read_labels
from recipeline.monitoring.live.live_rows import LiveTables
from recipeline.serving.rows.faults import BadRows, UnreadableBody
from recipeline.serving.rows.mlflow_formats import parse_csv
from recipeline.serving.rows.schema import Schema
from tests.conftest import as_recipe, small_recipe

HEADER = ["alcohol", "pH", "quality"]
ROWS = [["9.5", "3.25", "5"], ["10", "3.5", "6"], ["11.25", "3", "7"]]
LABELS = ["request_id", "pH", "quality"]
Files = dict[str, bytes]
Make = Callable[[list[str], list[list[str]]], Files]


def text(header: Sequence[str], rows: Sequence[Sequence[str]], separator: str = ",", end: str = "\n") -> str:
    return "".join(f"{separator.join(line)}{end}" for line in (header, *rows))


def one(change: Callable[[str], bytes | str], name: str = "rows.csv", **how: Any) -> Make:
    """Return what makes one file out of the plain text."""

    def make(header: list[str], rows: list[list[str]]) -> Files:
        content = change(text(header, rows, **how))
        return {name: content if isinstance(content, bytes) else content.encode()}

    return make


def joined(mark: str = "") -> Make:
    """Return what writes a file twice, one behind the other."""
    return lambda header, rows: {"rows.csv": (text(header, rows[:2]) + mark + text(header, rows[2:])).encode()}


def parquet(index: str | None = None, *, keep: bool = False) -> Make:
    def make(header: list[str], rows: list[list[str]]) -> Files:
        frame = pd.DataFrame(rows, columns=header).astype({name: float for name in header if name != "request_id"})
        if index is not None:
            frame.index = pd.Index([7, 8, 9], name=index or None)
        return {"rows.parquet": frame.to_parquet(index=None if keep or index is not None else False)}

    return make


def parts(*names: str, others: Sequence[str] = ()) -> Make:
    """Return a writer of each row as a part of its own, beside `others`.

    CSV or Parquet by its name.
    """

    def make(header: list[str], rows: list[list[str]]) -> Files:
        files = dict.fromkeys(others, b"no table")
        for name, row in zip(names, rows, strict=True):
            files[name] = next(iter(parquet()(header, [row]).values())) if "parquet" in name else text(header, [row]).encode()
        return files

    return make


def archive(name: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr(name, "alcohol,pH\n")
    return stream.getvalue()


@dataclass(frozen=True)
class Case:
    """Files, what is named of them, and the verdict: "" or words of refusals.

    Lines that are no rows are left out by monitor and counted: `lines`. Doors in `reading` read the rows all the same: those
    that take further columns, or do not look at what is wrong.
    """

    make: Make
    words: str = ""
    data: str = ""
    lines: int = 0
    reading: tuple[str, ...] = ()
    recipe: dict[str, Any] = field(default_factory=dict)
    is_body: bool = True


def surplus(header: list[str], rows: list[list[str]]) -> Files:
    return {"rows.csv": text(header, [[*row, "", ""] for row in rows]).encode()}


def nth_changed(place: int, line: str) -> Make:
    """Return what puts a line before a row."""

    def make(header: list[str], rows: list[list[str]]) -> Files:
        lines = [",".join(each) for each in (header, *rows)]
        return {"rows.csv": "\n".join([*lines[:place], line, *lines[place:], ""]).encode()}

    return make


def german(header: list[str], rows: list[list[str]]) -> Files:
    return {"rows.csv": text(header, rows, ";").replace(".", ",").encode()}


RENAMED = {"pH": "p H", "alcohol": "vol %"}
RENAME = {"rename": {own: name for name, own in RENAMED.items()}}
ASKING = ("predicted", "monitored", "served")
CASES: dict[str, Case] = {
    "plain": Case(one(str)),
    "CR ends the lines": Case(one(str, end="\r")),
    "CRLF ends the lines": Case(one(str, end="\r\n")),
    "no end of the last line": Case(one(str.rstrip)),
    "separators at the end of each row": Case(surplus),
    "separators at the end of each row and of the header": Case(one(lambda it: it.replace("\n", ",\n"))),
    "separators at the end of the header": Case(one(lambda it: it.replace("\n", ",\n", 1))),
    "a value behind the separators": Case(
        lambda header, rows: {"rows.csv": f"{text(header, [[*row, ''] for row in rows])}9,3,5,1\n".encode()},
        "must have 3 (fields|values).* 4",
        lines=1,
    ),
    "gzip": Case(one(lambda it: gzip.compress(it.encode()), "rows.csv.gz"), is_body=False),
    "bzip2": Case(one(lambda it: bz2.compress(it.encode()), "rows.csv.bz2"), is_body=False),
    "xz": Case(one(lambda it: lzma.compress(it.encode()), "rows.csv.xz"), is_body=False),
    "zstd": Case(one(lambda it: pa.compress(it.encode(), "zstd", asbytes=True), "rows.csv.zst"), is_body=False),
    "a folder as Spark writes it": Case(
        parts("out/part-0.csv", "out/part-1.csv", "out/part-2.csv", others=("out/_SUCCESS", "out/.part-0.csv.crc")),
        data="out",
        is_body=False,
    ),
    "a folder of Parquet": Case(
        parts("out/part-0.parquet", "out/part-1.parquet", "out/part-2.parquet", others=("out/_SUCCESS",)),
        data="out",
        is_body=False,
    ),
    "a list of files": Case(parts("jan.csv", "feb.csv", "mar.csv"), data="jan.csv, feb.csv,mar.csv", is_body=False),
    "a name with a comma and a star": Case(one(str, "a,b*.csv"), data="a,b*.csv"),
    "a pattern": Case(parts("a1.csv", "a2.csv", "a3.csv", others=("_a.csv", ".a.csv", "b.csv")), data="a*.csv", is_body=False),
    "a list with something missing": Case(
        parts("a.csv", "b.csv", "c.csv"), "does not exist", data="a.csv,d.csv", is_body=False
    ),
    "Parquet": Case(parquet(), is_body=False),
    "a Parquet index without a name": Case(parquet(""), is_body=False),
    "a Parquet index with a name": Case(parquet("id"), is_body=False),
    "an index column of pandas": Case(
        lambda header, rows: {"rows.csv": pd.DataFrame(rows, columns=header).to_csv().encode()},
        "Unnamed: 0: .* an index column",
        reading=(*ASKING, "labelled"),
    ),
    "two marks of UTF-8": Case(one(lambda it: "\ufeff\ufeff" + it)),
    "UTF-16": Case(one(lambda it: it.encode("utf-16"))),
    "UTF-16, big end first, tabs": Case(one(lambda it: b"\xfe\xff" + it.encode("utf-16-be"), separator="\t")),
    "UTF-16 without a mark": Case(one(lambda it: it.encode("utf-16-le")), "NUL byte"),
    "UTF-16 without a mark, by the recipe": Case(
        one(lambda it: it.encode("utf-16-le")), recipe={"encoding": "utf-16-le"}, reading=()
    ),
    "the header again": Case(joined(), "the header again", lines=1),
    "the header again, with a mark": Case(joined("\ufeff"), "the header again", lines=1),
    "spaces around names": Case(one(lambda it: it.replace("pH", "  pH "))),
    "names in quotes": Case(one(lambda it: it.replace("pH", '"pH"'))),
    "values in quotes behind spaces": Case(
        lambda header, rows: {
            "rows.csv": text(header, [[row[0], *(f' "{value}"' for value in row[1:])] for row in rows]).encode()
        }
    ),
    "Excel's line": Case(one(lambda it: "sep=;\r\n" + it, separator=";", end="\r\n")),
    "Excel's line for a rare separator": Case(one(lambda it: "sep=^\n" + it, separator="^")),
    "a comment before the header": Case(one(lambda it: "# exported in May\n" + it), "the comment '# exported in May'"),
    "a comment between rows": Case(nth_changed(2, "# checked"), "the comment '# checked'", lines=1),
    "a NUL byte": Case(one(lambda it: it.replace("3.5", "3\0.5")), "NUL byte"),
    "empty lines": Case(one(lambda it: "\n\n" + it.replace("\n", "\n\n"))),
    "a row of separators": Case(nth_changed(2, ", ,"), "separators only", lines=1),
    "a row too short": Case(nth_changed(2, "9"), "must have 3 (fields|values).* 1", lines=1),
    "Latin-1": Case(one(lambda it: it.replace("5\n", "5\xe9\n", 1).encode("latin-1")), "UTF-8"),
    "decimal commas by the recipe": Case(german, recipe={"decimal": ",", "separator": ";"}),
    "decimal points where the recipe has commas": Case(
        one(str, separator=";"),
        "decimal point|must be a number|must hold a number",
        recipe={"decimal": ","},
        reading=("labelled",),
    ),
    "a separator by the recipe": Case(one(str, separator="~"), recipe={"separator": "~"}),
    "another name of a column": Case(one(lambda it: it.replace("pH", "p H")), recipe=RENAME),
    "another name of a column, without any other feature that tells the separator": Case(
        one(lambda it: it.replace("pH", "p H").replace("alcohol", "vol %"), separator=";"), recipe=RENAME
    ),
    "the recipe's name, where a table may have another": Case(one(str), recipe=RENAME),
    "another name of a column in another case": Case(
        one(lambda it: it.replace("pH", "P h")),
        "(the column is missing|is required)|lacks a column|must have its columns in its header",
        recipe=RENAME,
        reading=("labelled",),
    ),
    "another name of a column, in Parquet": Case(
        lambda header, rows: parquet()([RENAMED.get(name, name) for name in header], rows), recipe=RENAME, is_body=False
    ),
    "two names of one column": Case(
        lambda header, rows: {"rows.csv": text([*header, "p H"], [[*row, "3"] for row in rows]).encode()},
        "must have each column of the recipe once|must be unique",
        recipe=RENAME,
    ),
    "the header again under other names": Case(
        lambda header, rows: {"rows.csv": joined()([RENAMED.get(name, name) for name in header], rows)["rows.csv"]},
        "the header again",
        lines=1,
        recipe=RENAME,
    ),
    "Excel": Case(one(lambda _: archive("xl/workbook.xml"), "rows.xlsx"), r"an Excel file \(\.xlsx\)"),
    "old Excel": Case(one(lambda _: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "rows.xls"), r"an Excel file \(\.xls\)"),
    "a zip archive": Case(one(lambda _: archive("rows.csv"), "rows.zip"), "a zip archive"),
    "PDF": Case(one(lambda _: b"%PDF-1.7\n...", "rows.pdf"), "a PDF file"),
    "HTML": Case(one(lambda _: "\n<!DOCTYPE html><html></html>"), "an HTML or XML page"),
    "a compressed archive": Case(
        one(lambda _: gzip.compress(archive("rows.csv")), "rows.csv.gz"), "a zip archive", is_body=False
    ),
}


def recipe_of(case: Case) -> Recipe:
    columns = {name: {"nullable": name != "quality"} for name in HEADER}
    return as_recipe(small_recipe() | {"columns": columns, "data": {"min_rows": 10, **case.recipe}})


def features_of(recipe: Recipe) -> tuple[Feature, ...]:
    return tuple(Feature(name, nullable=True, decimal=recipe.data.decimal) for name in recipe.features)


Rows = list[list[float]]


def ingested(folder: Path, data: str, recipe: Recipe, _: Case) -> Rows:
    source = read_source(data, recipe, folder=folder, cache=folder)
    return validate_table(source.open(recipe), recipe, origin="it", is_all=False).to_numpy(dtype=float).tolist()


def retrained(folder: Path, data: str, recipe: Recipe, _: Case) -> Rows:
    source = read_source(data, recipe, folder=folder, cache=folder)
    files = find_labelled(source.files, recipe, data)
    return check_labelled(files, recipe, "it").to_numpy(dtype=float).tolist()


def monitored(folder: Path, data: str, recipe: Recipe, case: Case) -> Rows:
    tables = open_tables(local_paths(data, folder, missing_rows), list(recipe.features), data, recipe)
    rule = Feature("quality", decimal=recipe.data.decimal)
    live = LiveTables(tables, features_of(recipe), "quality", "1", rule=rule)
    live.columns()
    rows = [row for piece in live.pieces() for row in np.column_stack([piece.values, piece.target]).tolist()]
    assert live.left_out == case.lines
    return rows


def predicted(folder: Path, data: str, recipe: Recipe, _: Case) -> Rows:
    features, found = features_of(recipe), list[list[float]]()

    def predict(rows: np.ndarray) -> np.ndarray:
        found.extend(rows.tolist())
        return rows.sum(axis=1)

    asked = Asked(features=features, predict=predict, version="1", interval=None)
    tables = open_tables(local_paths(data, folder, missing_rows), asked.names, data, recipe)
    Job(tables, asked, folder / "scored.csv", None, data).run(lambda _: None)
    layout = tables[0].file.layout
    mark = recipe.data.decimal if set(layout.schema.types) == {pa.string()} else "."
    scored = pd.read_csv(folder / "scored.csv", sep=layout.separator, decimal=mark)
    added = [name for name, _ in asked.columns]
    assert [name.strip() for name in scored] == [*tables[0].file.layout.schema.names, *added]
    assert any(name in scored for name in RENAME["rename"]) == bool(set(recipe.data.rename) & set(scored))
    assert scored["prediction"].tolist() == [sum(row) for row in found]
    return found


def served(folder: Path, data: str, recipe: Recipe, _: Case) -> Rows:
    schema = Schema(features_of(recipe), Format.of(recipe.data))
    return parse_csv((folder / data).read_bytes(), schema, max_rows=9).tolist()


def labelled(folder: Path, data: str, recipe: Recipe, _: Case) -> Rows:
    tables = open_tables(local_paths(data, folder, missing_rows), ["request_id", "quality"], data, recipe)
    rule = Feature("quality", decimal=recipe.data.decimal)
    labels = read_labels(tables, "quality", (), rule)
    return [[value] for _, value in sorted(labels.values.items())]


DOORS = {door.__name__: door for door in (ingested, retrained, monitored, predicted, served, labelled)}
WANTED = {
    **{door: [[float(value) for value in row] for row in ROWS] for door in ("ingested", "retrained", "monitored")},
    **{door: [[float(value) for value in row[:2]] for row in ROWS] for door in ("predicted", "served")},
    "labelled": [[float(row[2])] for row in ROWS],
}


@pytest.mark.parametrize("name", CASES)
def test_a_file_has_one_verdict_at_every_door(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    recipe = recipe_of(case)
    for door, read in DOORS.items():
        if door == "served" and not case.is_body:
            continue
        folder = tmp_path / door
        rows = [[f"r{place}", *row[1:]] for place, row in enumerate(ROWS)] if door == "labelled" else ROWS
        files = case.make(LABELS if door == "labelled" else HEADER, rows)
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        data = case.data or next(iter(files))
        leaves_out = case.lines and door == "monitored"
        if not case.words or door in case.reading or leaves_out:
            assert read(folder, data, recipe, case) == WANTED[door], door
            continue
        with pytest.raises((DataError, BadRows, UnreadableBody)) as refused:
            read(folder, data, recipe, case)
        error = refused.value
        told = " ".join(f"{fault.rule} {fault.got}" for fault in error.faults) if isinstance(error, BadRows) else str(error)
        assert re.search(case.words, told, re.DOTALL), (door, told)
