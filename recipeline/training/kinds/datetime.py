"""Dates in training: their parts, by functions of numpy alone.

A model then needs no code but scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from recipeline.config.candidate import Difference, Preprocess
from recipeline.training.kinds.base import Build, Kind, Part

_HOUR, _DAY, _WEEK = 3_600e6, 86_400e6, 7 * 86_400e6

#: 1970-01-05 was a Monday.
_MONDAY = 4 * _DAY

#: numpy's number for a date that is missing.
_NAT = float(np.iinfo(np.int64).min)


class Datetime(Kind):
    """Dates."""

    def parts(self, names: list[str], preprocess: Preprocess, build: Build, target_type: str) -> Iterator[Part]:
        """Yield a part for each of `preprocess.datetime`."""
        for number, part in enumerate(preprocess.datetime, 1):
            if isinstance(part, Difference):
                earlier, later = part.difference
                name = f"{later} since {earlier}"
                # scikit-learn takes no name of a part with "__" in it.
                yield name if "__" not in name else f"difference {number}", _date_part("us", *_SECONDS), [earlier, later]
            else:
                yield part, _date_part(*_PARTS[part]), names


def _date_part(unit: str, *functions: FunctionTransformer) -> Pipeline:
    """Return a transformer of a date to the number of units since 1970.

    NaN where it is missing; `functions` follow.
    """
    return make_pipeline(
        FunctionTransformer(np.asarray, kw_args={"dtype": f"datetime64[{unit}]"}),
        FunctionTransformer(np.asarray, kw_args={"dtype": "float64"}),
        SimpleImputer(missing_values=_NAT, strategy="constant", fill_value=np.nan, keep_empty_features=True),
        *functions,
    )


def _within(period: float, start: float, step: float) -> tuple[FunctionTransformer, FunctionTransformer]:
    """Return the number of whole steps since the period began.

    Values are microseconds. Half a microsecond is added, so that rounding does not make 9.999 of 10 o'clock.
    """
    last = period - 1
    options = {"xp": [start, start + last], "fp": [0.5 / step, (last + 0.5) / step], "period": period}
    return FunctionTransformer(np.interp, kw_args=options), FunctionTransformer(np.floor)


_SECONDS = (
    FunctionTransformer(np.diff, kw_args={"axis": 1}),
    FunctionTransformer(np.interp, kw_args={"xp": [-1e18, 1e18], "fp": [-1e12, 1e12]}),
)

_PARTS: dict[str, tuple[Any, ...]] = {
    "hour": ("us", *_within(_DAY, 0.0, _HOUR)),
    "weekday": ("us", *_within(_WEEK, _MONDAY, _DAY)),
    "month": ("M", FunctionTransformer(np.interp, kw_args={"xp": [0.0, 11.0], "fp": [1.0, 12.0], "period": 12.0})),
    "year": ("Y",),
    "elapsed": ("D",),
}
