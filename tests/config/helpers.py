"""The small recipe in a file, changed, and what is said where it cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from recipeline.config.recipe import Recipe, load_recipe
from recipeline.errors import UsageError
from tests.conftest import as_recipe, small_recipe

Change = Callable[[dict[str, Any]], object]


def load(folder: Path, change: Change) -> Recipe:
    content = small_recipe()
    change(content)
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return load_recipe(path, {})


def assert_refused(folder: Path, change: Change, words: list[str]) -> None:
    """Assert that the recipe is refused with the file's name and the words."""
    with pytest.raises(UsageError) as error:
        load(folder, change)
    for word in ["recipe.yaml", *words]:
        assert word in str(error.value)
    assert "\n" not in error.value.sentence


def refusal(content: dict[str, Any]) -> str:
    """Return what is said of the content of a recipe that is refused."""
    with pytest.raises(ValidationError) as caught:
        as_recipe(content)
    return str(caught.value)
