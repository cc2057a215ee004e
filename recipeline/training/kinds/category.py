"""Categories in training: encoders of scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

from recipeline.config.candidate import Preprocess
from recipeline.training.kinds.base import Build, Kind, Part

#: More values than these share one column.
MOST_CATEGORIES = 100


class Category(Kind):
    """Categories; a missing value, None too, is the category ""."""

    def parts(self, names: list[str], preprocess: Preprocess, build: Build, target_type: str) -> Iterator[Part]:
        """Yield one part of all columns."""
        filled = [
            SimpleImputer(missing_values=missing, strategy="constant", fill_value="", keep_empty_features=True)
            for missing in (np.nan, None)
        ]
        chosen = preprocess.category
        encoders = [_ENCODERS[chosen](target_type)] if isinstance(chosen, str) else build("category", chosen)
        yield "category", make_pipeline(*filled, *encoders), names


def _one_hot(_: str) -> BaseEstimator:
    return OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MOST_CATEGORIES, sparse_output=False)


def _ordinal(_: str) -> BaseEstimator:
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)


def _target(target_type: str) -> BaseEstimator:
    return TargetEncoder(target_type=target_type)


_ENCODERS = {"onehot": _one_hot, "ordinal": _ordinal, "target": _target}
