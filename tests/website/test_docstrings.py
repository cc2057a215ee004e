"""Docstrings as they are written here become fields of reStructuredText."""

from __future__ import annotations

from website.docstrings import convert


def test_sections_become_fields_with_their_continued_lines() -> None:
    text = [
        "Do it.",
        "",
        "Parameters",
        "----------",
        "name : what it is",
        "    called.",
        "",
        "Raises",
        "------",
        "A, B : it fails.",
    ]
    assert convert(text) == [
        *("Do it.", "", "", ":param name: what it is", "    called.", ""),
        *("", ":raises A: it fails.", ":raises B: it fails."),
    ]


def test_examples_keep_their_form() -> None:
    assert convert(["Examples", "--------", ">>> f(1)   # doctest: +SKIP"]) == ["**Examples**", "", ">>> f(1)"]
    assert convert(["a : b is no entry outside of a section"]) == ["a : b is no entry outside of a section"]
