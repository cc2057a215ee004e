"""A synthetic red wine table, for machines without access to the real one.

It follows the real table's marginal distributions and rank correlations (``red_wine.json``, computed from the distinct
rows of UCI Wine Quality, red) and is *easier* to predict than the real wines: never quote a score on it as theirs.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

ROWS = 1359

COPIES = 0.15

DECIMALS = (1, 2, 2, 1, 3, 0, 0, 5, 2, 2, 1)

# The grade as a function of the standardised features, in file order: linear terms, then (below) interactions and noise.
LINEAR = (0.06, -0.17, -0.05, 0.04, -0.05, 0.06, -0.11, -0.09, -0.05, 0.22, 0.25)

GRADES = (3, 4, 5, 6, 7, 8)

# Normal quantiles of the shares of the grades 3 to 8 among the distinct real rows.
CUTS = (-2.44, -1.68, -0.07, 1.10, 2.24)


def draw(random_state: int = 42) -> pd.DataFrame:
    """Return a synthetic table of 1563 rows: 1359 wines and 15 % copies, shuffled.

    Columns are the 11 physicochemical features in the units of the recipe and `quality` (integer, 3 to 8); no NaN.
    The features are drawn by a Gaussian copula: z ~ N(0, R) with R = 2 sin(pi/6 Spearman) (Pearson 1907), mapped through
    the interpolated empirical quantiles and rounded to the real file's decimals.
    """
    statistics = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    quantiles = statistics["q"]
    rng = np.random.default_rng(random_state)

    z = rng.multivariate_normal(np.zeros(len(quantiles)), _copula(statistics["r"]), size=ROWS, method="eigh")
    probabilities = np.linspace(0, 1, 21)
    table = pd.DataFrame(
        {
            name: np.round(np.interp(norm.cdf(z[:, i]), probabilities, values), DECIMALS[i])
            for i, (name, values) in enumerate(quantiles.items())
        }
    )
    table["quality"] = _grade(z, rng)
    copies = rng.choice(ROWS, size=round(COPIES * ROWS), replace=False)
    both = pd.concat([table, table.iloc[copies]], ignore_index=True)
    return both.iloc[rng.permutation(len(both))].reset_index(drop=True)


def _copula(lower: list[list[int]]) -> np.ndarray:
    """Return the Gaussian copula's correlation matrix for Spearman correlations.

    `lower` is the lower triangle, in percent.
    """
    spearman = np.eye(len(lower) + 1)
    for row, values in enumerate(lower, start=1):
        spearman[row, :row] = spearman[:row, row] = np.asarray(values) / 100
    correlation: np.ndarray = 2 * np.sin(np.pi / 6 * spearman)
    return correlation


def _grade(z: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    fixed, volatile, citric, _, _, _, total, _, ph, sulphates, alcohol = z.T
    interactions = (
        0.06 * total * volatile
        - 0.03 * (fixed**2 - 1)
        - 0.08 * sulphates * total
        + 0.07 * alcohol * sulphates
        - 0.04 * total * fixed
        - 0.03 * ph * citric
    )
    score = z @ np.asarray(LINEAR) + 1.5 * interactions + 0.47 * rng.standard_normal(len(z))
    score = (score - score.mean()) / score.std()
    grades: np.ndarray = np.asarray(GRADES)[np.searchsorted(CUTS, score)]
    return grades
