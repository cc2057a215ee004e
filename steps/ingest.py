"""Ingest: read the table and validate it against the recipe's columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recipeline.artifacts import COLUMN_PROFILE, DATASET, VIOLATIONS
from recipeline.cli.command import step_command
from recipeline.cli.options import data_option
from recipeline.orchestration.step import Step

if TYPE_CHECKING:
    from recipeline.orchestration.session import Session
    from recipeline.tracking.runs import StepRun


def inputs(session: Session, data: str) -> dict[str, Any]:
    """Return the settings of schema and text; the digest covers the source."""
    filtered = ["rows"] if session.recipe.rows.filter else []
    schema = session.recipe.part(["target", "columns", "na", "other_columns", "missing_target", *filtered])
    return {**schema, "data": session.recipe.data.settings()}


def content(session: Session, data: str) -> dict[str, str]:
    """Return the digest and kind of the source."""
    source = session.source(data)
    return {"data": f"{source.sha256[:12]} ({source.kind})"}


def work(session: Session, run: StepRun, data: str) -> str:
    """Read, validate and save the rows."""
    from recipeline.data.checking.schema import SchemaViolations, TableCheck
    from recipeline.data.column_profile import describe_rows
    from recipeline.data.stored_rows import HELD
    from recipeline.tracking.datasets import log_dataset, tag_digests
    from recipeline.tracking.tags import RunTags

    recipe = session.recipe.stated
    source = session.source(data)
    for note in source.notes:
        session.reporter.say(note)
    run.tag(data_source=source.kind, data_digest=source.sha256, data_origin=source.origin)
    if len(source.files) > 1:
        run.tag(**tag_digests(RunTags.PART_DIGEST, source.parts))
    check = TableCheck(source.open(recipe), recipe, origin=source.origin)
    try:
        run.save_batches(DATASET, check.batches(HELD, then=source.require_unchanged))
    except SchemaViolations as error:
        run.save(VIOLATIONS, error.table)
        raise
    session.recipe = recipe = recipe.with_columns([*check.recipe.columns])  # which patterns of the recipe stand for
    rows = run.open(DATASET)
    profile = describe_rows(rows, recipe, check.left_out)
    for note in profile.notes:
        session.reporter.say(note)
    run.save(COLUMN_PROFILE, profile)
    log_dataset(run, rows, recipe, source)
    run.show(
        params={"data_source": source.kind, "data_digest": source.sha256[:12], "data_origin": source.origin},
        metrics={"rows": profile.rows, "distinct_rows": profile.distinct_rows},
    )
    return (
        f"{profile.rows} rows ({profile.distinct_rows} distinct) of {len(recipe.columns)} columns "
        f"from {source.origin} [{source.kind}, sha256 {source.sha256[:12]}]"
    )


STEP = Step("ingest", work, inputs, params=("data",), content=content, reads=(), writes=(DATASET, COLUMN_PROFILE, VIOLATIONS))


@step_command(STEP)
@data_option
def ingest() -> None:
    """Read the table, validate every row against the recipe's columns, and save it.

    \b
    Reads:  the source
    Writes: dataset.parquet, column_profile.json, the MLflow dataset input
    Example: python -m steps.ingest --data wines.csv
    """


if __name__ == "__main__":
    ingest()
