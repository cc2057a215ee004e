"""A world whose truth is known, and rows of two features in files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from recipeline.config.recipe import Recipe
from recipeline.data.readers import open_rows
from recipeline.data.reading.pieces import Table
from recipeline.data.target_codes import NUMBERS, TargetCodes, fit_target
from recipeline.inference.asking import ask_model
from recipeline.inference.columns import Columns
from recipeline.inference.model_info import Feature, ModelInfo, Target, describe_feature
from recipeline.inference.prediction_set import fit_set
from recipeline.monitoring.baseline import describe_baseline, draw_reference
from recipeline.monitoring.drift import compare
from recipeline.monitoring.live.log_files import find_log
from recipeline.monitoring.results import Baseline, Compared
from recipeline.monitoring.sample import Live
from recipeline.monitoring.tasks.base import Stated
from recipeline.monitoring.tasks.every import TASKS
from tests.conftest import as_recipe

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
    codes: TargetCodes = NUMBERS
    threshold: float = 0.5
    stated: Stated | None = None

    def look(self, seed: int, change: Change | None = None, *, labels: bool = False, rows: int = WINDOW) -> Compared:
        """Return what is said of a window of later rows, changed by `change`."""
        window = self.later.sample(rows, random_state=seed)
        if change:
            window = change(window.copy(), np.random.default_rng(seed))
        values = window[list(self.recipe.features)].astype(float)
        live = Live(self.features, self.baseline, seed=0, codes=self.codes, threshold=self.threshold)
        target = self.codes.place(fit_target(window, self.recipe)) if labels else None
        live.add(values.to_numpy(), ask_model(self.model, values, self.codes), target)
        return compare(live, self.reference, self.recipe.monitoring, self.recipe, stated=self.stated)

    def verdicts(self, windows: int, change: Change | None = None, *, labels: bool = False) -> Counter[str]:
        """Return how often there was each verdict."""
        return Counter(self.look(seed, change, labels=labels).verdict for seed in range(windows))


def draw_classes(kind: str, rows: int, seed: int, *, is_coarse: bool = False, shift: float = 0.0) -> pd.DataFrame:
    """Return rows of a world of labels; `shift` makes the first or positive likelier."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 4))
    if is_coarse:
        x = np.clip(np.round(x), -1, 1)
    table = pd.DataFrame(x, columns=list("abcd"))
    pull = 1.5 * x[:, 0] + x[:, 1]
    if kind == "five":
        scores = np.exp(np.column_stack([pull + shift, -pull, 2 * x[:, 1], -2 * x[:, 1], 2 * x[:, 2]]))
        shares = (scores / scores.sum(axis=1, keepdims=True)).cumsum(axis=1)
        return table.assign(y=np.array(list("vwxyz"))[(random.random(rows)[:, None] > shares).sum(axis=1)])
    odds = {"two": pull, "rare": 0.8 * pull - 4.2}[kind] + shift
    return table.assign(y=np.where(random.random(rows) < 1 / (1 + np.exp(-odds)), "yes", "no"))


def class_world(kind: str, model: Any, rows: int = 1200, *, is_coarse: bool = False) -> World:
    """Return a world of classes, with out-of-fold probabilities in the baseline."""
    task, positive = ("multiclass", {}) if kind == "five" else ("binary", {"positive": "yes"})
    content: dict[str, Any] = {"name": "t", "experiment": "t", "model_name": "T", "data": {}}
    content |= {"metrics": {"bootstrap_draws": 100}, "task": task, "target": {"column": "y", **positive}}
    content["columns"] = {name: {} for name in "abcd"} | {"y": {"type": "category"}}
    content["candidates"] = {"L": {"alias": "l", "estimator": "sklearn.linear_model.LogisticRegression"}}
    recipe = as_recipe(content)
    train, names = draw_classes(kind, rows, 1, is_coarse=is_coarse), list("abcd")
    codes, target = TargetCodes.learn(recipe, train), fit_target(train, recipe)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    shares = cross_val_predict(model, train[names], target, cv=folds, method="predict_proba")
    predicted, truth = (shares if codes.is_matrix else shares[:, 1]), codes.encode(target)
    columns_ = Columns(tuple(describe_feature(recipe, name, train[name]) for name in names))
    both = truth if codes.is_matrix else np.column_stack([1 - truth, truth])
    info = ModelInfo(Target("y", "category", task=task, labels=codes.labels), columns_.features)
    info = replace(info, prediction_set=fit_set(both, shares))
    threshold = 0.15 if kind == "rare" else 0.5
    return World(
        recipe,
        model.fit(train[names], target),
        describe_baseline(train, predicted, recipe, columns_, codes, threshold),
        draw_reference(train, predicted, recipe, columns_, codes).to_numpy(),
        columns_.features,
        draw_classes(kind, 40_000, 2, is_coarse=is_coarse),
        codes,
        threshold,
        TASKS[task].state(info, None),
    )


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
