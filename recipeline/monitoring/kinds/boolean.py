"""True and false in monitoring: compared as two categories."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recipeline.inference.model_info import Feature
from recipeline.monitoring.kinds.category import Category
from recipeline.monitoring.results import Described


class Boolean(Category):
    """True or false."""

    def describe(self, codes: np.ndarray, feature: Feature) -> Described:
        """Return the `counts` of false and true."""
        known = codes[~np.isnan(codes)]
        described = Described(len(codes), int(len(codes) - len(known)), (), names=("false", "true"), bins=(0, 1))
        return replace(described, counts=tuple(self.count(known, described).tolist()))
