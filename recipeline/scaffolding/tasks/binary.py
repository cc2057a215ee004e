"""Two classes in scaffolding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from recipeline.data.kinds.boolean import TRUE
from recipeline.scaffolding.column_look import Look
from recipeline.scaffolding.tasks.multiclass import Multiclass

#: With a smaller share of positive rows hardly a row has a probability of a half: another threshold is drafted.
_RARE = 0.2


class Binary(Multiclass):
    """A target of booleans, of two whole numbers or of two categories."""

    notes = {
        "target": "positive is the label whose probability is predicted: true, yes, 1, or the rarer one unless you "
        "name the other.",
        "decision": "The threshold with the greatest F1; where errors have a cost: decision: {cost: {fp: 1, fn: 5}}",
    }

    def fits(self, target: Look) -> bool:
        """Whether there are two values that are booleans, whole numbers or categories."""
        is_named = target.found in ("boolean", "category") and len(self._counts(target)) == 2
        return is_named or target.is_of_two_numbers

    def takes(self, target: Look) -> bool:
        """Whether there are two labels."""
        return self.fits(target)

    def column(self, target: Look) -> dict[str, Any]:
        """Return the type, and the two categories: any other one is an error."""
        if self._is_named(target):
            return {"type": "category", "values": sorted(target.values)}
        return {"type": "integer" if target.found == "number" else target.found}

    def target(self, target: Look) -> Any:
        """Return the target with its positive label."""
        return {"column": target.name, "positive": self._positive(target)}

    def settings(self, target: Look) -> dict[str, Any]:
        """Return a decision where the positive label is rare."""
        counts = self._counts(target)
        share = counts[self._positive(target)] / sum(counts.values())
        return {"decision": {"metric": "f1"}} if share < _RARE else {}

    def _positive(self, target: Look) -> Any:
        """Return true or yes, or the greater number, of categories the rarer one."""
        counts = self._counts(target)
        if not self._is_named(target):
            return max(counts)
        return min(sorted(counts), key=lambda label: (str(label).lower() not in TRUE, counts[label]))

    @staticmethod
    def _is_named(target: Look) -> bool:
        """Whether the model is to say the words of the table, as yes and no."""
        return target.found == "category" or (target.found == "boolean" and not target.are_true_and_false)

    @staticmethod
    def _counts(target: Look) -> Counter[Any]:
        """Return the number of rows by label."""
        if target.found == "number":
            return Counter(target.whole_numbers)
        counts: Counter[Any] = Counter()
        for text, rows in target.values.items():
            counts[str(text) if Binary._is_named(target) else _LABELS[target.found](text)] += rows
        return counts


#: A label of the text that a column's look has.
_LABELS: Mapping[str, Callable[[str], Any]] = {
    "number": lambda text: int(float(text)),
    "boolean": lambda text: text.lower() in TRUE,
}
