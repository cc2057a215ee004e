"""Random labels, probabilities and weights, degenerate ones among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st


@dataclass(frozen=True)
class Rows:
    """True labels as numbers, probabilities, decided labels and weights.

    Weights are None where there are none.
    """

    truth: np.ndarray
    probabilities: np.ndarray
    decided: np.ndarray
    weights: np.ndarray | None

    @property
    def target(self) -> np.ndarray:
        """A 1 in the column of each row's label."""
        return np.eye(self.probabilities.shape[1])[self.truth]


@st.composite
def labelled_rows(draw: st.DrawFn, most_labels: int = 4, both: bool = False) -> Rows:
    """Draw rows: labels may be absent, scores equal; with `both` there are two labels."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size, rows = draw(st.integers(2, most_labels)), draw(st.integers(2, 30))
    present = rng.permutation(size)[: draw(st.integers(2 if both else 1, size))]
    truth = rng.choice(present, rows)
    if both:
        truth[:2] = present[:2]
    raw = _probabilities(rng, truth, size, draw(st.sampled_from(("any", "rounded", "certain", "equal", "right"))))
    weights = draw(st.sampled_from((None, rng.uniform(0.1, 3, rows), 10.0 ** rng.integers(-3, 4, rows))))
    decided = raw.argmax(axis=1) if draw(st.booleans()) else rng.choice(draw(st.sampled_from((present, np.arange(size)))), rows)
    return Rows(truth, raw, decided, weights)


def _probabilities(rng: np.random.Generator, truth: np.ndarray, size: int, how: str) -> np.ndarray:
    if how == "any":
        return rng.dirichlet(np.ones(size), len(truth))
    if how == "rounded":
        return rng.multinomial(4, np.ones(size) / size, len(truth)) / 4
    if how == "equal":
        return np.full((len(truth), size), 1 / size)
    places: np.ndarray = np.eye(size)[truth if how == "right" else rng.integers(size, size=len(truth))]
    return places
