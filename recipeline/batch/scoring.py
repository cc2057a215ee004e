"""The prediction of one part, in any process."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from recipeline.batch.manifest import Manifest, PartDone, Written
from recipeline.batch.output import OutputFolder
from recipeline.batch.parts import Part
from recipeline.data.reading.formats import Format
from recipeline.errors import DataError
from recipeline.inference.batch import Job
from recipeline.inference.predictor import Asked


@dataclass(frozen=True)
class PartTask:
    """A part to predict, the folder of its output, and what that was begun with.

    `had_rejects`: an earlier content of the part had bad rows, whose file must go. `digest` is that of a single file, and
    `state` the state in which it had it.
    """

    part: Part
    folder: OutputFolder
    begun: str
    columns: tuple[str, ...]
    format: Format
    rejects: bool
    had_rejects: bool = False
    digest: str = ""
    state: str = ""


def predict_part(task: PartTask, asked: Asked, report: Callable[[int], None] = lambda _: None) -> PartDone:
    """Predict a part, write its output and note it in the manifest.

    `report` is called with the number of rows done.

    Raises
    ------
    DataError : the part is broken, has other columns than the first one, or changes meanwhile.
    BadRowsError : it has bad rows, and `rejects` is not set.
    UnavailableError : it cannot be read, or its output not written.
    """
    part, folder = task.part, task.folder
    state = part.file.state
    if task.digest and state != task.state and part.file.digest() != task.digest:
        raise part.file.changed()  # since its ranges were found
    digest = "" if part.span else part.file.digest()
    table = part.open(asked.names, task.format)
    other = sorted(set(table.file.columns) ^ set(task.columns))
    if other:
        raise DataError(
            f"{table.label} must have the same columns as the first file.",
            got=f"{'a further' if other[0] in table.file.columns else 'no'} '{other[0]}'",
            fix="Make them alike, or predict them into different folders.",
        )
    with ExitStack() as stack:
        path = stack.enter_context(folder.writing(part.output))
        aside = stack.enter_context(folder.writing(part.rejects)) if task.rejects else None
        tally = Job([table], asked, path, aside, table.label, may_be_empty=True).run(report)
        if part.file.state != state:
            raise part.file.changed()
        output, rejects = Written.of(path), Written.of(aside) if aside and tally.rejected else None
        if aside and not rejects:
            aside.unlink(missing_ok=True)  # another machine with the same shard may have been first
    if task.had_rejects and not rejects:
        folder.delete(part.rejects)
    done = PartDone(
        part.label,
        task.begun,
        digest,
        state,
        output,
        rejects,
        tally.rows,
        tally.rejected,
        {name: count for name, count in sorted(tally.unseen.items()) if count},
        {name: count for name, count in sorted(tally.left_out.items()) if count},
    )
    Manifest(folder).add(done)
    return done
