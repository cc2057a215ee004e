"""The oldest and newest scikit-learn and MLflow have what `_compat` uses.

Those that pyproject.toml allows.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT

UV = Path(sys.executable).parent / "uv"
#: What must have one version.
FAMILIES = {"scikit-learn": ("scikit-learn",), "mlflow": ("mlflow", "mlflow-skinny", "mlflow-tracing")}
TESTS = {"scikit-learn": "tests/inference/test_compat.py", "mlflow": "tests/tracking/test_compat.py"}


def allowed(package: str) -> str:
    """Return the versions in pyproject.toml of an imported package."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    (found,) = [it.removeprefix(package) for it in declared if re.split(r"[<>=~! ]", it)[0] == package]
    return found.strip()


def locked_without(packages: tuple[str, ...]) -> str:
    """Return the lines of the development lock, without hashes and without `packages`."""
    lines = re.findall(r"^([a-z0-9-]+)(==[^ ]+(?: ; .*?)?) \\$", (ROOT / "requirements-dev.txt").read_text(), re.MULTILINE)
    return "".join(f"{name}{version}\n" for name, version in lines if name not in packages)


def run(*words: str | Path, **variables: str) -> str:
    done = subprocess.run(words, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    if "error sending request" in done.stderr:
        pytest.skip("no package index to be had")
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.mark.full
@pytest.mark.parametrize("which", ["oldest", "newest"])
@pytest.mark.parametrize("package", sorted(FAMILIES))
def test_what_is_private_is_there_in_a_version(package: str, which: str, tmp_path: Path) -> None:
    wanted = allowed(package)
    if which == "oldest":
        wanted = "==" + re.search(r">=([\d.]+)", wanted)[1]  # type: ignore[index]
    listed = tmp_path / "requirements.txt"
    listed.write_text(f"{package}{wanted}\n{locked_without(FAMILIES[package])}", encoding="utf-8")
    python = tmp_path / "venv/bin/python"
    run(UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
    run(UV, "pip", "install", "--quiet", "--python", python, "-r", listed)
    version = run(python, "-c", f"from importlib.metadata import version; print(version('{package}'))").strip()
    print(f"{package} {version}")
    if which == "oldest":
        assert f"{version}.".startswith(f"{wanted.removeprefix('==')}.")
    words = [python, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *TESTS.values()]
    assert " passed" in run(*words, PYTHONDONTWRITEBYTECODE="1")
