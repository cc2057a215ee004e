"""The model card of a version: purpose, origin, quality and limitations.

After Mitchell et al. (2019), "Model Cards for Model Reporting". One text, for the registry's description and for the page.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recipeline.config.recipe import Recipe
from recipeline.config.table import SYNTHETIC
from recipeline.data.origin.uris import redact
from recipeline.escape import for_markdown
from recipeline.evaluation.class_card import describe_class_limits, describe_labels, describe_sets
from recipeline.evaluation.results import SliceErrors
from recipeline.metrics.catalogue import ERROR_WORDS, MAIN, METRICS, REFERENCE_METRICS, describe_scores, find_metric, skill_of

if TYPE_CHECKING:
    from recipeline.evaluation.results import Diagnosis, Metrics
from recipeline.inference.model_info import ModelInfo

#: A grade or a slice is named among the limits where its error is so many times that of all rows.
MUCH_WORSE = 1.5

_NAMED = 4

_NONE = f"No examined slice of the test rows has more than {MUCH_WORSE:g} times the overall error."

# Fewer test rows than this tell nothing.
_FEW_ROWS = 5

#: The longest description that every store accepts.
DESCRIPTION_LENGTH = 5000


@dataclass(frozen=True)
class Part:
    """A heading, sentences below it, and optional code."""

    title: str
    lines: tuple[str, ...]
    code: str = ""


@dataclass(frozen=True)
class ModelCard:
    """The model card as sections of text."""

    parts: tuple[Part, ...]
    #: One line, which lists of versions show.
    headline: str = ""

    def as_markdown(self) -> str:
        """Return the card as Markdown; text of the data cannot become HTML in it."""
        texts = []
        for part in self.parts:
            lines = "\n".join(f"- {for_markdown(line)}" for line in part.lines)
            code = f"\n\n```python\n{part.code}\n```" if part.code else ""
            texts.append(f"## {part.title}\n\n{lines}{code}")
        return "\n\n".join([for_markdown(self.headline), *texts] if self.headline else texts)

    def as_description(self) -> str:
        """Return the Markdown, as much of it as every store takes."""
        text, more = self.as_markdown(), "\n\n… the full text is model_card.md of the run of register."
        return text if len(text) <= DESCRIPTION_LENGTH else text[: DESCRIPTION_LENGTH - len(more)] + more


def write_model_card(
    recipe: Recipe, metrics: Metrics, diagnosis: Diagnosis | None, info: ModelInfo, tags: Mapping[str, str | float]
) -> ModelCard:
    """Return the card of the best candidate of an evaluation.

    Parameters
    ----------
    metrics, diagnosis, info : what evaluate saved; the diagnosis is None where it has none.
    tags : of the version, as register makes them: data_source, data_digest and split_method.
    """
    said = recipe.model_card
    return ModelCard(
        (
            Part("Model", _model(recipe, metrics, tags)),
            Part(
                "Intended use",
                (
                    said.intended_use or f"To predict {recipe.target} for rows like those it was trained on.",
                    f"Not for: {said.out_of_scope or 'other rows; predictions outside of the ranges below extrapolate.'}",
                ),
            ),
            Part("Data", _data(recipe, metrics, info, tags)),
            Part("Metrics", _metrics(metrics)),
            Part("Limits", _limits(recipe, metrics, diagnosis)),
            Part("Ethical considerations", (said.ethics or "Not stated in the recipe; users of the model must consider it.",)),
            Part(
                "Use",
                ("As a service: make serve, then POST rows to /predict. A file of rows: make predict.",),
                _example(recipe, info),
            ),
        ),
        _headline(metrics, tags),
    )


def _headline(metrics: Metrics, tags: Mapping[str, str | float]) -> str:
    best, rows = metrics.best, "SYNTHETIC rows" if tags["data_source"] == SYNTHETIC else "rows"
    scores = f"test {describe_scores(metrics.task, metrics.scores)}"
    return f"{best.candidate}: {scores} on {metrics.test_rows:,} {rows}"


def _model(recipe: Recipe, metrics: Metrics, tags: Mapping[str, str | float]) -> tuple[str, ...]:
    best, target = metrics.best, recipe.columns[recipe.target]
    unit = f" ({target.unit})" if target.unit else ""
    members = recipe.candidates[best.candidate].members
    made_of = f", the mean of {', '.join(members)}," if members else ""
    count = len(metrics.candidates)
    chosen = f"the best of {count} candidates" if count > 1 else "the only candidate trained"
    made_up = ("Trained on SYNTHETIC rows: the scores do not apply to real rows.",)
    return (
        *(made_up if tags["data_source"] == SYNTHETIC else ()),
        f"{best.candidate}{made_of} predicts {recipe.target}{unit} from {len(recipe.features)} columns.",
        f"Recipe {recipe.name}, {chosen}{f' by cross-validated {metrics.cv_label}' * (count > 1)}.",
    )


def _data(recipe: Recipe, metrics: Metrics, info: ModelInfo, tags: Mapping[str, str | float]) -> tuple[str, ...]:
    known = [it for it in info.features if it.train_min is not None]
    ranges = ", ".join(f"{it.name} {it.kind.trained_on(it).removeprefix('trained on ')}" for it in known)
    origin = (
        redact(recipe.data.download.url) if recipe.data.download and tags["data_source"] == recipe.data.download.name else ""
    )
    return (
        f"Source: {tags['data_source']}{f', {origin}' if origin else ''}; sha256 {str(tags['data_digest'])[:12]}.",
        f"Split: {tags['split_method']}; tested on {metrics.test_rows:,} rows{_twins(metrics)}.",
        *(f"Fitted on {it} training rows: engine.max_train_rows limits them." for it in (info.fitted,) if it),
        f"Trained on: {ranges}.",
    )


def _twins(metrics: Metrics) -> str:
    leaks = metrics.leaks
    if not leaks:
        return ", none of which has a twin in training"
    honest = leaks.r2_without_twin[metrics.best.candidate]
    told = f": {skill_of(metrics.task).label} without them {honest:.4f}" if honest is not None else ""
    return f", of which {leaks.leaked_rows:,} have a twin in training, which makes scores optimistic{told}"


def _metrics(metrics: Metrics) -> tuple[str, ...]:
    best = metrics.best
    skill, *others = METRICS[metrics.task][:MAIN]
    scores, (low, high) = metrics.scores, best.interval_95[skill.name]
    within = "".join(f"{100 * share:.1f} % within {tolerance}, " for tolerance, share in best.accuracy_within.items())
    rest = ", ".join(
        f"{metrics.labels[it]} {scores[it]:.4f}" for it in (*(m.name for m in others), *(m.name for m in metrics.more))
    )
    reference, interval = find_metric(metrics.task, REFERENCE_METRICS[metrics.task]), best.interval_90
    return (
        *(describe_labels(metrics, best.decisions) if best.decisions else ()),
        f"Test {skill.label} {scores[skill.name]:.4f} (95 % interval {low:.3f} to {high:.3f}), {rest}.",
        f"Cross-validated {metrics.cv_label} {scores['cv_mean_score']:.4f} ± {scores['cv_std']:.4f}.",
        f"{within.removesuffix(', ')}{'; ' if within else ''}{reference.label} of the mean predictor: "
        f"{metrics.mean_predictor[reference.name]:z.4f}.",
        describe_sets(interval)
        if best.decisions
        else f"Its {100 * interval.level:g} % interval covered {100 * interval.coverage:.1f} % of the test rows; "
        f"its mean width is {interval.mean_width:.2f}.",
    )


def _limits(recipe: Recipe, metrics: Metrics, diagnosis: Diagnosis | None) -> tuple[str, ...]:
    grades = metrics.best.grades
    overall = metrics.scores["mae"] if "mae" in metrics.scores else diagnosis.slices[0].error if diagnosis else math.inf
    parts: list[SliceErrors] = []
    parts += [
        SliceErrors(f"True {recipe.target} {it.grade:g}", it.rows, it.mae, it.bias)
        for it in (grades.per_grade if grades else ())
    ]
    parts += diagnosis.slices[1:] if diagnosis else ()
    worse = [it for it in parts if it.rows >= _FEW_ROWS and it.error > MUCH_WORSE * overall]
    weak = [
        f"{it.slice} ({it.rows} test rows): {_describe_error(it, metrics.task)}."
        for it in sorted(worse, key=lambda it: -it.error)[:_NAMED]
    ]
    if metrics.best.decisions:
        return (*(weak or (_NONE,)), *describe_class_limits(diagnosis))
    least = [
        f"The interval's coverage is lowest at predictions of {worst.from_:.2f} to {worst.to:.2f}: "
        f"{100 * worst.interval_coverage:.0f} % of {worst.rows}."
        for worst in sorted(diagnosis.by_predicted if diagnosis else (), key=lambda entry: entry.interval_coverage)[:1]
    ]
    return (*(weak or (_NONE,)), *least)


def _describe_error(it: SliceErrors, task: str) -> str:
    bias = "" if it.bias is None else f", {abs(it.bias):.2f} too {'high' if it.bias > 0 else 'low'}"
    return f"{ERROR_WORDS[task].format(it.error)}{bias}"


def _example(recipe: Recipe, info: ModelInfo) -> str:
    uri = f"models:/{recipe.model_name}/Production"
    types = {it.name: it.kind.frame_type for it in info.features if it.kind.frame_type}
    typed = f".astype({types!r})" if types else ""
    return (
        "import mlflow\nimport pandas as pd\n\n"
        f"model = mlflow.pyfunc.load_model({json.dumps(uri, ensure_ascii=False)})\n"
        f"model.predict(pd.DataFrame([{dict(info.sample)!r}]){typed})"
    )
