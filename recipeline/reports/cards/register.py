"""The card of register: the model card and the lineage of the version."""

from __future__ import annotations

from recipeline.artifacts import DIAGNOSIS, METRICS, MODEL_INFO, VERDICT, VERSION
from recipeline.config.table import SYNTHETIC
from recipeline.evaluation.gates import VALIDATED, failures
from recipeline.evaluation.model_card import write_model_card
from recipeline.metrics.catalogue import metrics_of
from recipeline.reports.blocks import Block, Card, Code, Facts, Lines, Note, Results, Section, Table


def make_card(results: Results) -> Card:
    """Return the card of a run of register."""
    verdict = results.load(VERDICT)
    if verdict.verdict != VALIDATED:
        return Card(
            "register: not registered",
            f"{verdict.candidate} fails a gate of the recipe.",
            [Section("Why", [Note(line, "bad") for line in failures(verdict)])],
            tone="bad",
        )
    version = results.load(VERSION)
    tags, scores = version.tags, ("cv_mean_score", "cv_std", *(it.name for it in metrics_of(results.recipe.task)))
    diagnosis = results.load(DIAGNOSIS) if results.has(DIAGNOSIS) else None
    model_card = write_model_card(results.recipe, results.load(METRICS), diagnosis, results.load(MODEL_INFO), tags)
    is_new = "registered as the challenger" if version.new else "registered already: the same recipe on the same rows"
    lineage = [[name.replace("_", " "), str(value)] for name, value in tags.items() if name not in scores]
    parts = []
    for part in model_card.parts:
        blocks: list[Block] = [Lines(part.lines)]
        if part.title == "Metrics":
            blocks.insert(0, Facts({name: tags[name] for name in scores if name in tags}))
        parts.append(Section(part.title, [*blocks, Code(part.code)] if part.code else blocks))
    return Card(
        f"register: {version.name} version {version.version}",
        f"{version.candidate} is {is_new}.",
        [*parts, Section("Lineage", [Table(["what", "value"], lineage, "Runs and digests of the version")])],
        tone="warning" if tags["data_source"] == SYNTHETIC else "good",
    )
