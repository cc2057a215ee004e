"""The interface of a column kind in monitoring: what is normal for a column, and how far live values are from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from recipeline.inference.model_info import Feature
from recipeline.monitoring.results import Described, Spread


class Kind(ABC):
    """A column kind in monitoring; values are codes, as `recipeline.inference.kinds` defines them."""

    @abstractmethod
    def describe(self, codes: np.ndarray, feature: Feature) -> Described:
        """Return what is normal for a column: `rows`, `missing` and `counts` by bin, and what else the kind compares."""

    @abstractmethod
    def count(self, codes: np.ndarray, described: Described) -> np.ndarray:
        """Return how many codes, without NaN, are in each bin of what `describe` returned."""

    @abstractmethod
    def compare(
        self, codes: np.ndarray, observed: np.ndarray, counts: np.ndarray, reference: np.ndarray, described: Described
    ) -> Spread:
        """Return how live codes differ from the reference's: `psi`, `ks`, `wasserstein` and `p_value`, None where not measured.

        Parameters
        ----------
        codes : the rows kept, (rows,), NaN where missing; `observed` says which of them count in a test.
        counts : all live rows by bin.
        reference : the baseline's rows.
        """

    @abstractmethod
    def bin_names(self, described: Described) -> Sequence[str]:
        """Return what the bins are called."""

    def apart(self, codes: np.ndarray) -> np.ndarray:
        """Return codes as the domain classifier sees them."""
        return codes
