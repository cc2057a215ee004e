"""Several classes in inference: a model predicts the probability of each label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from recipeline.data.tasks.base import Label
from recipeline.inference.tasks.base import Task


class Multiclass(Task):
    """The probabilities of all labels, and the likeliest one."""

    def recognise(self, model: Any) -> tuple[tuple[Label, ...], float | None] | None:
        """Return the classes of a model that has them."""
        return (tuple(map(_plain, model.classes_)), None) if hasattr(model, "classes_") else None

    def ask(self, model: Any, frame: pd.DataFrame, labels: Sequence[Label]) -> np.ndarray:
        """Return the probabilities, (rows, labels); 0 of a label unknown to the model."""
        known, said = [_plain(label) for label in model.classes_], np.asarray(model.predict_proba(frame), dtype=np.float64)
        if known == list(labels):
            return said
        places = {label: place for place, label in enumerate(known)}
        answer = np.zeros((len(said), len(labels)))
        for column, label in enumerate(labels):
            if label in places:
                answer[:, column] = said[:, places[label]]
        return answer

    def probabilities(self, predicted: np.ndarray) -> np.ndarray:
        """Return the predictions, (rows, labels)."""
        return predicted

    def said(self, predicted: np.ndarray, labels: Sequence[Label], threshold: float) -> np.ndarray:
        """Return the label of the greatest probability, the first of equal ones."""
        said: np.ndarray = np.array(labels)[predicted.argmax(axis=1)]
        return said


def _plain(label: Any) -> Label:
    """Return a label of a fitted model as Python has it."""
    plain: Label = label.item() if isinstance(label, np.generic) else label
    return plain
