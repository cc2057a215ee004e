"""The notebook of examples/ runs in a kernel, and shows what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT
from tests.scenarios.test_readme import copy_project

NOTEBOOK = ROOT / "examples/wines.ipynb"


def shown(cell: Any) -> list[str]:
    """Return the results that a cell shows, without what it prints meanwhile."""
    return [output.data["text/plain"] for output in cell.outputs if output.output_type == "execute_result"]


@pytest.mark.xdist_group("notebook")
def test_the_notebook_shows_again_what_it_was_saved_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    folder = copy_project(tmp_path)
    saved = nbformat.read(NOTEBOOK, as_version=4)
    again = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(again, timeout=300, resources={"metadata": {"path": str(folder / "examples")}}).execute()
    cells = [(before, after) for before, after in zip(saved.cells, again.cells, strict=True) if before.cell_type == "code"]
    assert sum(len(shown(before)) for before, _ in cells) >= 6
    for before, after in cells:
        assert shown(after) == shown(before), before.source
    printed = "".join(output.text for output in cells[-1][1].outputs)
    assert "Did you mean 'RandomForest'" in printed


def test_the_saved_notebook_names_no_folder_of_a_machine() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert "/home/" not in text
    assert "/tmp/" not in text
    assert str(ROOT) not in text
