from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pydantic import ValidationError

from recipeline.config.recipe import Recipe
from recipeline.config.settings import load_settings
from recipeline.errors import DataError, UsageError
from recipeline.escape import for_cell, for_markdown, for_terminal
from recipeline.reports.summary import tabulate
from tests.conftest import ROOT, as_recipe, small_recipe

#: Text that means something in another language: a terminal's, Markdown's, HTML's, a filter's, a URI's.
FRAGMENTS = (
    *("\x1b[31m", "\x1b]8;;http://x\x07", "\x9b2J", "\r", "\b", "\x00", "\n", "\u2028", "\u202e", "\u2066", "\ufeff", "\udc80"),
    *("](http://x)", "![", "[a]", "\\[a](b)", "\\", "`", "```", "**", "__", "~~", "# ", "- ", "1. ", "> ", "| a | b |", "@all"),
    *(
        "<script>",
        "<!--",
        "&lt;",
        "'",
        '"',
        "%",
        "?",
        "#",
        "' OR 1=1 --",
        "https://x.test/a_b",
        "é",
        "名",
        "ا\u200cب",
        "👩\u200d🔬",
    ),
)

TEXTS = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(st.characters(), max_size=4)), max_size=8).map("".join)


@given(TEXTS)
def test_nothing_that_a_terminal_acts_upon_is_printed(text: str) -> None:
    shown = for_terminal(text)
    assert not [
        char
        for char in shown
        if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} - {""} and char not in "\n\t\u200c\u200d"
    ]
    shown.encode("utf-8")
    assert for_terminal(shown) == shown
    assert "\n" not in for_cell(text)


@given(st.text(st.characters(categories=["L", "M", "N", "P", "S", "Zs"])))
def test_text_of_any_script_is_printed_as_it_is(text: str) -> None:
    assert for_terminal(text) == text


@given(st.dictionaries(TEXTS, TEXTS, max_size=3))
def test_json_keeps_its_meaning_on_a_terminal(values: dict[str, str]) -> None:
    assert json.loads(for_terminal(json.dumps(values, ensure_ascii=False))) == values


@given(st.lists(TEXTS, min_size=1, max_size=3))
def test_a_cell_of_a_table_forges_no_row(values: list[str]) -> None:
    rows = [
        line for line in tabulate(["version", "why"], [(value, "x") for value in values]).split("\n") if line.startswith("│")
    ]
    ends = [line for line in rows if re.search(r"│ x\s*│$", line)]
    assert len(ends) == len(values)


@given(TEXTS)
def test_markdown_shows_text_as_text(text: str) -> None:
    line = for_markdown(text)
    assert "\n" not in line
    html = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(f"- {line}")
    shown = re.sub(r"(?s)^<ul>\s*<li>(.*)</li>\s*</ul>\s*$", r"\1", html)
    assert not re.search(r"<\w", shown), (text, html)
    meant = for_terminal(" ".join(text.split()))
    assert " ".join(_unescaped(shown).split()) == " ".join(meant.split())


def _unescaped(html: str) -> str:
    return html.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")


@given(TEXTS, st.lists(TEXTS, max_size=2))
def test_an_error_is_one_line_and_one_for_each_detail(text: str, details: list[str]) -> None:
    error = DataError(f"The column {text} must be there.", got=f"'{text}'", details=details)
    assert len(str(error).splitlines()) == 1 + len(details)
    assert for_terminal(str(error)) == str(error)


def is_refused(content: dict[str, Any]) -> bool:
    try:
        as_recipe(content)
    except ValidationError:
        return True
    return False


@given(TEXTS)
def test_a_name_of_several_lines_or_unseen_characters_is_refused(text: str) -> None:
    content: dict[str, Any] = {
        "name": "odd",
        "task": "regression",
        "target": "y",
        "experiment": "Odd",
        "model_name": "Odd",
        "data": {},
        "columns": {"x": {}, "y": {}},
        "candidates": {"A": {"alias": "a", "estimator": "sklearn.svm.SVR"}},
    }
    assert not is_refused(content)
    odd = for_cell(text) != text or text != text.strip()
    candidate = {"alias": "b", "estimator": "sklearn.svm.SVR"}
    changes: list[dict[str, Any]] = [
        {"model_name": text},
        {"experiment": text},
        {"columns": {"x": {"unit": text}, "y": {}}},
        {"columns": {text: {}, "x": {}, "y": {}}},
        {"candidates": {**content["candidates"], text: candidate}},
    ]
    for changed in changes:
        try:
            assert is_refused(content | changed) or not odd
        except UnicodeEncodeError:  # half of a character, that JSON does not hand on
            continue


def test_a_name_that_is_refused_is_written_out(tmp_path: Path) -> None:
    content = small_recipe()
    content["columns"]["alcohol\n\x1b[2J"] = {}
    (tmp_path / "odd.yaml").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UsageError, match="without spaces around it") as error:
        load_settings(tmp_path / "odd.yaml", Recipe, {})
    assert "\x1b" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["Wine'Best", "Größe 1", "酒のモデル", "a b.c-d_e", "50 & more", "{x}", "$HOME", "`id`"])
def test_a_name_of_another_language_is_taken(name: str) -> None:
    assert as_recipe(small_recipe() | {"model_name": name}).model_name == name


def test_no_uri_of_a_sqlite_file_is_put_together_by_hand() -> None:
    raw = re.compile(r"""sqlite:///\{|file:\{|removeprefix\((?:sqlite\.)?SQLITE\)""")
    found = {path.name for path in Path(ROOT / "recipeline").rglob("*.py") if raw.search(path.read_text(encoding="utf-8"))}
    assert found <= {"sqlite.py"}
