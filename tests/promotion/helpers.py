"""Answers of a challenger and a champion, and what is gained."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recipeline.data.relating.relations import Relations
from recipeline.promotion.gain import Answers, Gain, measure_gain
from recipeline.promotion.results import CHALLENGER, CHAMPION

ROWS = 60
GAIN = Gain(
    gain=0.05,
    lower=0.02,
    level=0.95,
    interval_90=(0.02, 0.08),
    std_error=0.02,
    bootstrap_std_error=0.02,
    corrected_std_error=None,
    r2={CHALLENGER: 0.45, CHAMPION: 0.4},
    scores={"r2": {CHALLENGER: 0.45, CHAMPION: 0.4}, "mae": {CHALLENGER: 0.5, CHAMPION: 0.5}},
    rows=300,
    distinct_rows=250,
    repeats=3,
    folds=5,
    seed=42,
)


def draw_table(rows: int = ROWS, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return features, a noisy target, and groups: every row has a copy."""
    rng = np.random.default_rng(seed)
    features = pd.DataFrame(np.repeat(rng.normal(size=(rows // 2, 2)), 2, axis=0), columns=["a", "b"])
    target = np.repeat(features.to_numpy()[::2] @ [1.0, 0.5] + rng.normal(0, 0.5, rows // 2), 2)
    return features, target, np.repeat(np.arange(rows // 2), 2)


def draw_answers(seed: int, *, rows: int = 80, repeats: int = 2, better: float = 0.3, folds: int | None = 4) -> Answers:
    """Return answers of which the challenger's are `better` by that much noise."""
    rng = np.random.default_rng(seed)
    target = rng.normal(5, 1, rows)
    predicted = {
        CHALLENGER: target[:, None] + rng.normal(0, 1 - better, (rows, repeats)),
        CHAMPION: target[:, None] + rng.normal(0, 1, (rows, repeats)),
    }
    dealt = None if folds is None else np.stack([rng.permutation(np.arange(rows) % folds) for _ in range(repeats)], axis=1)
    return Answers(target, Relations(np.arange(rows)), predicted, dealt)


def measure(answers: Answers, *, level: float = 0.95, draws: int = 400, seed: int = 0) -> Gain:
    return measure_gain(answers, level=level, draws=draws, seed=seed)
