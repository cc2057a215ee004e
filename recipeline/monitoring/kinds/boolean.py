"""True and false in monitoring: compared as two categories."""

from __future__ import annotations

from typing import Any

import numpy as np

from recipeline.inference.model_info import Feature
from recipeline.monitoring.kinds.category import Category


class Boolean(Category):
    """True or false."""

    def describe(self, codes: np.ndarray, feature: Feature) -> dict[str, Any]:
        """Return the `counts` of false and true."""
        known = codes[~np.isnan(codes)]
        described = {"rows": len(codes), "missing": int(len(codes) - len(known)), "names": ["false", "true"], "bins": [0, 1]}
        return described | {"counts": self.count(known, described).tolist()}
