"""The library as a distribution: its wheel, away from any checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import recipeline
from recipeline.scaffolding.template import read_template
from tests.conftest import ROOT

UV = str(Path(sys.executable).with_name("uv"))


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command that must succeed, in a folder of its own; return what it printed."""
    given = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PYTHON", "RECIPELINE_"))}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=given | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the library, built without the index."""
    folder = tmp_path_factory.mktemp("wheel")
    run(UV, "build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_library_with_its_pages_and_the_template_of_a_project(wheel: Path) -> None:
    assert wheel.name == f"recipeline-{recipeline.__version__}-py3-none-any.whl"
    archive = zipfile.ZipFile(wheel)
    names = {name for name in archive.namelist() if ".dist-info/" not in name}
    tracked = subprocess.run(["git", "ls-files", "recipeline"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(tracked.split()) <= names
    assert {name.split("/")[0] for name in names} == {"recipeline"}
    assert {
        "recipeline/py.typed",
        "recipeline/reports/page.html.jinja",
        "recipeline/serving/static/playground/page.html",
    } <= names
    template = {name.removeprefix("recipeline/template/"): archive.read(name) for name in names if "/template/" in name}
    template[".gitignore"] = template.pop("gitignore")
    assert template == read_template()
    assert names - set(tracked.split()) == {name for name in names if name.startswith("recipeline/template/")}


def test_the_wheel_installs_into_an_empty_environment_and_is_imported_there(wheel: Path, tmp_path: Path) -> None:
    run(UV, "venv", "--python", sys.executable, tmp_path / "env", cwd=tmp_path)
    python = tmp_path / "env/bin/python"
    run(UV, "pip", "install", "--no-deps", "--offline", "--python", python, wheel, cwd=tmp_path)
    shown = run(python, "-c", "import recipeline; print(recipeline.__version__, recipeline.__file__)", cwd=tmp_path)
    version, file = shown.split()
    assert version == recipeline.__version__
    assert tmp_path in Path(file).parents
    assert (tmp_path / "env/bin/recipeline").is_file()


@pytest.mark.full
def test_a_project_that_has_no_copy_of_the_library_runs_on_the_installed_one(wheel: Path, tmp_path: Path) -> None:
    """A project of recipe, profiles, steps, `custom` and MLproject.

    In a folder with a space.
    """
    project = tmp_path / "my project"
    project.mkdir()
    for name in ("MLproject", "recipe.yaml"):
        shutil.copy(ROOT / name, project)
    for name in ("profiles", "steps", "custom"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    run(UV, "venv", "--python", sys.executable, tmp_path / "env", cwd=tmp_path)
    binaries = tmp_path / "env/bin"
    run(UV, "pip", "install", "--python", binaries / "python", wheel, "-c", ROOT / "requirements.txt", cwd=tmp_path)
    assert run(binaries / "recipeline", "--version", cwd=tmp_path) == f"recipeline {recipeline.__version__}\n"
    words = ["--data", "synthetic", "--model", "lr,dt"]
    assert "promoted" in run(binaries / "python", "-m", "steps.main", *words, cwd=project)
    assert "Reused: ingest, split, train, evaluate." in run(binaries / "python", "-m", "steps.main", *words, cwd=project)
    assert "Nothing is broken" in run(binaries / "recipeline", "doctor", cwd=project / "profiles")
    assert "version" in run(binaries / "recipeline", "history", cwd=tmp_path, RECIPELINE_PROJECT=str(project))
    assert (project / "mlflow.db").is_file()
