"""Numbers in training: unchanged, or transformed by `preprocess.number`."""

from __future__ import annotations

from collections.abc import Iterator

from sklearn.pipeline import make_pipeline

from recipeline.config.candidate import Preprocess
from recipeline.training.kinds.base import Build, Kind, Part


class Number(Kind):
    """Numbers, whole ones and booleans."""

    def parts(self, names: list[str], preprocess: Preprocess, build: Build, target_type: str) -> Iterator[Part]:
        """Yield one part of all columns."""
        transformers = build("number", preprocess.number)
        yield "number", make_pipeline(*transformers) if transformers else "passthrough", names
