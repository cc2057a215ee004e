"""The notebook of examples/ runs in a kernel, and shows what it says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.scenarios.test_readme import ask_less, copy_project

NOTEBOOK = ROOT / "examples/wines.ipynb"


def shown(cell: Any) -> list[str]:
    """Return the results that a cell shows, without what it prints meanwhile."""
    return [output.data["text/plain"] for output in cell.outputs if output.output_type == "execute_result"]


def executed(project: Path) -> list[tuple[Any, Any]]:
    """Run the notebook in a copy of the project; return its cells of code.

    Each is a pair: as it was saved, and as it is now.
    """
    import nbformat  # not above: these two take a second, in each worker
    from nbclient import NotebookClient

    saved = nbformat.read(NOTEBOOK, as_version=4)
    again = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(again, timeout=300, resources={"metadata": {"path": str(project / "examples")}}).execute()
    cells = [(before, after) for before, after in zip(saved.cells, again.cells, strict=True) if before.cell_type == "code"]
    assert sum(len(shown(before)) for before, _ in cells) >= 6
    printed = "".join(output.text for output in cells[-1][1].outputs)
    assert "Did you mean 'RandomForest'" in printed
    return cells


@pytest.fixture
def project(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project with an empty store, in an empty home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    folder = copy_project(tmp_path)
    shutil.copy(empty_store, folder / "mlflow-ci.db")
    return folder


def shape(text: str) -> list[str]:
    """Return the words of what is shown, in whatever order, without their digits."""
    return sorted(re.sub(r"[-+]?\d[\d.]*", "0", word) for word in text.split())


@pytest.mark.xdist_group("notebook")
def test_the_notebook_runs_and_shows_results_of_the_shape_that_it_was_saved_with(project: Path) -> None:
    """With a recipe that asks for less; `make test-full` takes the recipe as it is."""
    ask_less(project, "recipe.yaml")
    for before, after in executed(project):
        assert [*map(shape, shown(after))] == [*map(shape, shown(before))], before.source


@pytest.mark.full
@pytest.mark.xdist_group("notebook")
def test_the_notebook_shows_again_what_it_was_saved_with(project: Path) -> None:
    for before, after in executed(project):
        assert shown(after) == shown(before), before.source


def test_the_saved_notebook_names_no_folder_of_a_machine() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert "/home/" not in text
    assert "/tmp/" not in text
    assert str(ROOT) not in text
