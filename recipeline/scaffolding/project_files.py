"""The template's files, rendered for the wines or for a table."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from recipeline.config.recipe import load_recipe
from recipeline.config.table import Data
from recipeline.scaffolding.recipe_draft import PLAIN_DATA, draft_recipe
from recipeline.scaffolding.template import Files

#: Files of the wines only.
_WINES = ("custom/red_wine.py", "custom/red_wine.json")


def for_wines(template: Files, title: str) -> dict[str, bytes]:
    """Return the files of the example project: wines, downloaded or synthetic."""
    return {**template, "README.md": _replace(template["README.md"], "{title}", title)}


def for_table(
    template: Files, title: str, data: Path, target: str, na: Sequence[str], *, format: Data = PLAIN_DATA, task: str = ""
) -> dict[str, bytes]:
    """Return the files of a project that predicts the column `target` of a table.

    Its recipe is drafted from the table; `format` and `task` are as for `draft_recipe`.

    Raises
    ------
    UsageError, DataError : as `draft_recipe`.
    """
    recipe = draft_recipe(data, target, name=title, na=na, data=format, task=task)
    with tempfile.TemporaryDirectory(prefix="recipeline-new-") as folder:  # a name that no recipe may have is refused here
        drafted = Path(folder) / "recipe.yaml"
        drafted.write_text(recipe, encoding="utf-8")
        load_recipe(drafted, {})
    name, place = yaml.safe_load(recipe)["name"], yaml.safe_dump(str(data.resolve()), width=10_000).splitlines()[0]
    files = {path: content for path, content in for_wines(template, title).items() if path not in _WINES}
    files["recipe.yaml"] = recipe.encode()
    for path in ("MLproject", "conda.yaml"):
        files[path] = _replace(files[path], "name: wine-quality", f"name: {name}")
    local = "data: auto                  # the cached download, else the download, else (no connection) the synthetic sample"
    files["profiles/local.yaml"] = _replace(files["profiles/local.yaml"], local, f"data: {place}")
    files["profiles/ci.yaml"] = _replace(files["profiles/ci.yaml"], "data: synthetic", f"data: {place}")
    return files


def _replace(content: bytes, old: str, new: str) -> bytes:
    assert old.encode() in content, f"the template must hold {old!r}"
    return content.replace(old.encode(), new.encode())
