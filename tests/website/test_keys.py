"""Tables of keys have every key of a recipe and a profile, with a meaning."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field

from recipeline.config.profile import Profile
from recipeline.config.recipe import Recipe
from recipeline.config.settings import Settings
from recipeline.config.table import ImportPath
from website.keys import Key, keys_page, sections


class Inner(Settings):
    """A part of it. A `limit` is a number."""

    limit: float = Field(default=0.5, gt=0, lt=1)


class Outer(Settings):
    """The whole of it.

    `parts` are parts by name; of `words` there are at most two.
    """

    #: What it is called.
    title: str = Field(alias="name")
    parts: dict[str, Inner] = {}
    words: tuple[Literal["a", "b"], ...] = ()
    one: Inner | None = None
    path: ImportPath | Literal[""] = ""
    count: Annotated[int, Field(ge=1)] = 1000


@pytest.mark.parametrize("model", [Recipe, Profile])
def test_every_key_has_a_type_a_default_and_a_meaning(model: type[Settings]) -> None:
    """A key without a meaning gets a comment that begins with ``#:``, above its field."""
    found = [(section.title, key.name) for section in sections(model) for key in section.keys if not (key.type and key.meaning)]
    assert found == []


def test_sections_are_classes_with_the_places_of_their_keys() -> None:
    outer, inner = sections(Outer)
    assert (outer.title, inner.title, inner.places) == ("Top level", "parts.<name>", ("parts.<name>", "one"))
    assert outer.introduction == "The whole of it."
    assert inner.introduction == "A part of it."


def test_a_key_is_described_by_its_comment_or_by_the_sentences_that_name_it() -> None:
    name, parts, words, one, path, count = sections(Outer)[0].keys
    assert name == Key("name", "text", "**required**", "What it is called.")
    assert parts == Key("parts", "name: keys", "`{}`", "`parts` are parts by name; of `words` there are at most two.")
    assert words.type == "list of `a` or `b`"
    assert one == Key("one", "keys", "none", "A part of it.")
    assert path.type == "import path or empty"
    assert (count.type, count.default) == ("whole number ≥ 1", "`1000`")
    assert sections(Outer)[1].keys == (Key("limit", "number > 0, < 1", "`0.5`", "A `limit` is a number."),)


def test_a_page_has_a_heading_for_each_class() -> None:
    text = keys_page("Keys", "All of them.", Outer)
    assert text.startswith("# Keys\n\nAll of them.\n\n## Top level\n")
    assert "## `parts.<name>`\n\nA part of it.\n\nAlso the value of `one`.\n" in text


def test_the_keys_of_the_recipe_are_all_there() -> None:
    places = {section.title for section in sections(Recipe)}
    assert {"promotion.guard_rails", "candidates.<name>.search.space.<name>", "columns.<name>", "data.sql"} <= places
