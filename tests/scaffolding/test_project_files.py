"""The template's files, made out for a table, name nothing of the wines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from recipeline.errors import UsageError
from recipeline.scaffolding.project_files import for_table, for_wines
from recipeline.scaffolding.template import read_template


@pytest.fixture
def cars(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "it's: 100 % #1.csv"
    pd.DataFrame(rng.normal(size=(40, 3)), columns=["weight", "power", "price"]).to_csv(path, index=False)
    return path


def test_a_table_of_its_own_is_what_every_file_is_about(cars: Path) -> None:
    files = for_table(read_template(), "My cars", cars, "price", ())
    assert not any("red_wine" in path for path in files)
    text = b"\n".join(content for path, content in files.items() if path.endswith((".yaml", "MLproject", ".md"))).decode()
    assert "wine" not in text.lower()
    assert yaml.safe_load(files["recipe.yaml"])["model_name"] == "MyCarsBestModel"
    assert yaml.safe_load(files["MLproject"])["name"] == yaml.safe_load(files["conda.yaml"])["name"] == "my-cars"
    for profile in ("local", "ci"):
        assert yaml.safe_load(files[f"profiles/{profile}.yaml"])["data"] == str(cars)
    assert files["README.md"].startswith(b"# My cars\n")


def test_without_a_table_only_the_title_is_another_one() -> None:
    template = read_template()
    files = for_wines(template, "Wein")
    assert {path for path in template if files[path] != template[path]} == {"README.md"}


def test_a_column_that_no_recipe_may_have_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    pd.DataFrame({"prediction": np.arange(30.0), "y": np.arange(30.0)}).to_csv(path, index=False)
    with pytest.raises(
        UsageError,
        match=r"no column of a name that is reserved for predictions or labels\. Got 'prediction' instead\. Rename it",
    ):
        for_table(read_template(), "t", path, "y", ())
