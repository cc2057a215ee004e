"""Lists that the documents repeat are those of the code."""

from __future__ import annotations

import ast
import re

import pytest

from recipeline.config.profile import Profile
from recipeline.config.recipe import Recipe
from recipeline.config.settings import Settings
from recipeline.serving.http.openapi import _HEADERS
from tests.conftest import ROOT
from tests.snippets import DOCUMENTS
from tests.test_compose import exported
from website.keys import sections

PAGES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in DOCUMENTS}
#: Files of settings that the documents name as examples, with comments on their keys.
EXAMPLES = [(ROOT / "recipe.yaml").read_text(encoding="utf-8"), (ROOT / "profiles/local.yaml").read_text(encoding="utf-8")]


def code_of(text: str) -> str:
    """Return what a document sets as code."""
    blocks = re.findall(r"^```.*?^```", text, re.DOTALL | re.MULTILINE)
    return "\n".join([*blocks, *re.findall(r"`[^`\n]+`", text)])


def first_cells(text: str, heading: str) -> set[str]:
    """Return the first word of each code in the first column of tables with a heading."""
    tables = re.findall(rf"^\| {heading} \|[^\n]*\n\|[ \-|]+\n((?:\|[^\n]*\n?)+)", text, re.MULTILINE)
    cells = [row.split("|")[1] for table in tables for row in table.splitlines()]
    return {name for cell in cells for name in re.findall(r"`([\w-]+)", cell)}


def rules_of_decisions() -> set[str]:
    """Return the rules that the code of the gate can name."""
    found = set[str]()
    for name in ("recipeline/promotion/gate.py", "recipeline/registry/decision.py"):
        for call in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Name)
                and call.func.id in ("Decision", "_kept", "_promoted")
            ):
                rule = call.args[1 if ast.unparse(call.func) == "Decision" else 0]
                found |= {it.value for it in ast.walk(rule) if isinstance(it, ast.Constant) and isinstance(it.value, str)}
            elif isinstance(call, ast.Return) and isinstance(call.value, ast.Constant) and isinstance(call.value.value, str):
                found.add(call.value.value)
    return found


def test_every_metric_of_the_service_is_in_a_table_and_no_other_is() -> None:
    said = first_cells(PAGES["docs/serving.md"], "metric") | first_cells(PAGES["docs/monitoring.md"], "metric")
    assert said == {name for name in exported() if not name.endswith(("_bucket", "_created"))}


def test_every_rule_of_a_decision_is_in_the_page_on_promotion_and_no_other_is() -> None:
    page = PAGES["docs/promotion.md"]
    above = set(re.findall(r"^\|[^|]*\(`(\w+)`\)", page, re.MULTILINE))
    assert above == {"first", "recipe", "refresh", "unchanged"}
    assert above | first_cells(page, "rule") - {"promote"} == rules_of_decisions()


@pytest.mark.parametrize("model", [Recipe, Profile])
def test_every_key_of_settings_is_in_a_document_or_an_example(model: type[Settings]) -> None:
    words = set(re.findall(r"\w+", "\n".join([*map(code_of, PAGES.values()), *EXAMPLES])))
    assert {f"{it.title}.{key.name}" for it in sections(model) for key in it.keys if key.name not in words} == set()


def test_every_header_of_the_services_own_is_in_the_page_on_the_service() -> None:
    assert {name for name in _HEADERS if name not in PAGES["docs/serving.md"]} <= {"WWW-Authenticate"}


def test_every_variable_of_the_library_is_in_a_document_and_is_read_somewhere() -> None:
    pattern = r"RECIPELINE_(?!TO_)[A-Z_]*[A-Z]"
    rooms = [*(ROOT / "recipeline").rglob("*.py"), *(ROOT / "deploy").rglob("*.yaml")]
    read = set(re.findall(pattern, "\n".join(path.read_text(encoding="utf-8") for path in rooms)))
    said = set(re.findall(pattern, "\n".join(PAGES.values())))
    assert read - {"RECIPELINE_TAG"} <= said <= read
    assert {"RECIPELINE_CACHE", "RECIPELINE_PROJECT"} <= said
