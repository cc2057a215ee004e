"""The interface of a column kind in monitoring: baseline and drift of a column."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from recipeline.inference.model_info import Feature
from recipeline.monitoring.results import Described, Spread


class Kind(ABC):
    """A column kind in monitoring; values are codes of `inference.kinds`."""

    @abstractmethod
    def describe(self, codes: np.ndarray, feature: Feature) -> Described:
        """Return the baseline of a column: `rows`, `missing`, `counts` by bin.

        It has further statistics of the kind.
        """

    @abstractmethod
    def count(self, codes: np.ndarray, described: Described) -> np.ndarray:
        """Return how many codes, without NaN, are in each bin of what `describe` returned."""

    @abstractmethod
    def compare(
        self, codes: np.ndarray, observed: np.ndarray, counts: np.ndarray, reference: np.ndarray, described: Described
    ) -> Spread:
        """Return the drift of live codes from the reference's.

        It has `psi`, `ks`, `wasserstein` and `p_value`, None where not measured.

        Parameters
        ----------
        codes : the rows kept, (rows,), NaN where missing; `observed` says which of them count in a test.
        counts : all live rows by bin.
        reference : the baseline's rows.
        """

    @abstractmethod
    def bin_names(self, described: Described) -> Sequence[str]:
        """Return what the bins are called."""

    def apart(self, codes: np.ndarray, described: Described) -> np.ndarray:
        """Return codes as the domain classifier sees them."""
        return codes

    def count_names(self, feature: Feature, rows: int) -> int:
        """Return the number of names that so many training rows have.

        It is 0 where values are no names. As large a share of like rows as training rows have a name alone is expected to have
        one that training lacks (Good 1953).
        """
        return 0
