"""The catalogue of tags is whole: written, named and documented.

The code writes no other, and names none by text.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from recipeline.artifacts import ORDER
from recipeline.registry.facts import TAGS
from recipeline.tracking.tags import PREFIX, LedgerTags, RunTags, Tag, VersionTags, bare, run_id_tag, tags_in
from tests.conftest import ROOT

CATALOGUES = (RunTags, VersionTags, LedgerTags)
CATALOGUE = ROOT / "recipeline/tracking/tags.py"
CODE = [path for folder in ("recipeline", "steps") for path in sorted((ROOT / folder).rglob("*.py")) if path != CATALOGUE]
#: Text that begins like a tag and names something else.
NO_TAGS = {"recipeline.json": "a key of click's context"}


def rows_of(catalogue: type) -> str:
    """Return the rows of a catalogue as a table of Markdown has them."""
    return "\n".join(f"| `{tag}` | {tag.meaning} | {tag.writers} |" for tag in tags_in(catalogue))


def names_by_text(path: Path) -> list[str]:
    """Return the tags that a module names by text instead of by the catalogue."""
    known = {*map(str, (tag for it in CATALOGUES for tag in tags_in(it))), *map(run_id_tag, ORDER)}
    texts = [node.value for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Constant)]
    return [text for text in texts if isinstance(text, str) and text in known and text not in NO_TAGS]


def written_names(path: Path) -> Iterator[str]:
    """Yield the names given to `tag(name=)`, `parent_tag` and `own_tag`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "tag":
                yield from (it.arg for it in node.keywords if it.arg)
            if node.func.attr in ("tag", "parent_tag", "own_tag"):
                yield from (it.value for it in node.args if isinstance(it, ast.Constant) and isinstance(it.value, str))


def test_no_module_names_a_tag_by_text() -> None:
    assert {str(path.relative_to(ROOT)): found for path in CODE if (found := names_by_text(path))} == {}


def test_a_tag_that_is_named_by_text_is_found(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text('a = tags["recipeline.data_source"], tags["recipeline.train_run_id"], "recipeline.data"')
    assert names_by_text(tmp_path / "m.py") == ["recipeline.data_source", "recipeline.train_run_id"]


def test_every_tag_that_a_run_is_given_is_in_the_catalogue() -> None:
    known = {*map(bare, [*tags_in(RunTags), *map(run_id_tag, ORDER)])}
    written = {(str(path.relative_to(ROOT)), name) for path in CODE for name in written_names(path)}
    assert [pair for pair in sorted(written) if pair[1] not in known] == []
    assert {name for _, name in written} >= {"data_source", "decision_rule", "card_failures"}  # it is looked at


def test_a_name_of_a_tag_is_its_text_and_begins_with_the_prefix() -> None:
    assert RunTags.DATA_SOURCE == "recipeline.data_source"
    tags: dict[str, int] = {RunTags.DATA_SOURCE: 1}
    assert tags["recipeline.data_source"] == 1
    assert bare(RunTags.DATA_SOURCE) == "data_source"
    assert run_id_tag("train") == "recipeline.train_run_id"


@pytest.mark.parametrize("catalogue", CATALOGUES)
def test_each_tag_is_there_once_with_a_meaning_and_writers(catalogue: type) -> None:
    tags = tags_in(catalogue)
    assert len(set(tags)) == len(tags) > 3
    for tag in tags:
        assert isinstance(tag, Tag)
        assert tag.startswith(PREFIX)
        assert tag.meaning
        assert tag.writers


@pytest.mark.parametrize("catalogue", CATALOGUES)
def test_the_documents_list_every_tag(catalogue: type) -> None:
    assert rows_of(catalogue) in (ROOT / "docs/tags.md").read_text(encoding="utf-8")


def test_what_register_gives_a_version_is_what_the_catalogue_says() -> None:
    assert {"candidate", "data_digest", "r2"} <= {*TAGS}
    assert not {*TAGS} & {"gate_gain", "withdrawn", "candidates_compared"}
