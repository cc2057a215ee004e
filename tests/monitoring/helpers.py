"""A world whose truth is known, and rows of two features in files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.data.readers import open_rows
from recipeline.data.reading.pieces import Table
from recipeline.inference.model_info import Feature
from recipeline.monitoring.drift import compare
from recipeline.monitoring.prediction_log import find_log
from recipeline.monitoring.results import Baseline, Compared
from recipeline.monitoring.sample import Live

FEATURES = (Feature("alcohol"), Feature("pH"))
WINDOW = 500
Change = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]


@dataclass(frozen=True)
class World:
    """A model, its baseline, and as many later rows from the same source as one likes."""

    recipe: Recipe
    model: Any
    baseline: Baseline
    reference: np.ndarray
    features: tuple[Feature, ...]
    later: pd.DataFrame

    def look(self, seed: int, change: Change | None = None, *, labels: bool = False, rows: int = WINDOW) -> Compared:
        """Return what is said of a window of later rows, changed by `change`."""
        window = self.later.sample(rows, random_state=seed)
        if change:
            window = change(window.copy(), np.random.default_rng(seed))
        values = window[list(self.recipe.features)].astype(float)
        live = Live(self.features, self.baseline, seed=0)
        live.add(values.to_numpy(), self.model.predict(values), window["quality"].to_numpy(dtype=float) if labels else None)
        return compare(live, self.reference, self.recipe.monitoring, self.recipe)

    def verdicts(self, windows: int, change: Change | None = None, *, labels: bool = False) -> Counter[str]:
        """Return how often there was each verdict."""
        return Counter(self.look(seed, change, labels=labels).verdict for seed in range(windows))


def table(path: Path, text: str) -> Table:
    """Return a table of this text."""
    path.write_text(text, encoding="utf-8")
    name = "request_id" if "request_id" in text else "alcohol"
    return Table(open_rows(path, [name], path.name), path.name)


def entry(time: float, request_id: str = "a", row: int = 0, version: str = "2", **features: Any) -> str:
    """Return a line of the service's log."""
    known = {"alcohol": 9.5, "pH": 3.3} | features
    return json.dumps(
        {"time": time, "request_id": request_id, "version": version, "row": row, "prediction": 5.5, "features": known}
    )


def log(folder: Path, **files: list[str]) -> list[Path]:
    """Write the lines of each file; return the files as they are found."""
    for name, lines in files.items():
        (folder / f"predictions-{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return find_log(folder)
