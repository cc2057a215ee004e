"""Predict the parts of an input into a folder, those that are left."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recipeline.batch.manifest import Manifest, ModelIdentity, PartDone, describe_shards
from recipeline.batch.output import LocalFolder, OutputFolder, StoredFolder
from recipeline.batch.parts import InputFile, Shard
from recipeline.batch.plan import Plan, Share, Wanted
from recipeline.batch.scoring import PartTask, predict_part
from recipeline.cli.engine import own_packages
from recipeline.cli.rows import open_model
from recipeline.cli.scoring.places import input_files
from recipeline.cli.scoring.results import PredictedFolder, say_rejected
from recipeline.cli.scoring.worker import Failed, WorkerModel, predict_in_worker
from recipeline.data.origin.paths import local_paths, split_uri
from recipeline.data.origin.stores.objects import is_store
from recipeline.data.origin.uris import redact
from recipeline.data.reading.formats import Format
from recipeline.data.writers import as_unwritable
from recipeline.engine.identity import identify
from recipeline.engine.workers import Call
from recipeline.errors import DataError, UsageError, missing_rows
from recipeline.escape import is_remote
from recipeline.inference.predictor import Asked
from recipeline.orchestration.session import Session

if TYPE_CHECKING:
    from recipeline.registry.loading import NamedModel


def predict_folder(
    session: Session, model: NamedModel, input: str, folder: OutputFolder, shard: Shard | None, *, rejects: bool
) -> tuple[list[str], PredictedFolder]:
    """Predict the parts of `input` that are not done yet into `folder`.

    Returns the summary and its values.

    Raises
    ------
    UsageError : the folder was begun with something else.
    DataError : the input is broken, or has bad rows that are not set aside.
    UnavailableError : input, folder, store or workers cannot be reached.
    """
    whole, started = shard or Shard(1, 1), time.monotonic()
    manifest = Manifest(folder)
    with input_files(session, input) as files, open_model(session, model) as asked:
        _make_folder(folder, files, _searched(session, input, files))
        wanted = Wanted(
            files,
            Format.of(session.recipe.data),
            asked.names,
            ModelIdentity(model.name, model.version, model.model_id),
            identify(("recipeline", *own_packages(session.recipe, session.root))),
            name=Path(split_uri(redact(input)).path if is_remote(input) else input).name,
            origin=redact(input),
            rejects=rejects,
        )
        plan = Plan.begin(folder, wanted)
        share = plan.share(whole)
        if share.tasks:
            manifest.reopen()
        new = list(_run(session, model, asked, share.tasks))
    missing = manifest.missing(plan.parts)
    values = _values(plan, whole, share, new, missing, time.monotonic() - started)
    if not missing and whole.of == 1 and not values.rows:
        raise DataError(f"{redact(input)} has no rows: header only.", fix="Name a file with rows.")
    if not missing:
        manifest.close(plan.begun)
    return _words(values, plan, share, missing, whole), values


def _searched(session: Session, input: str, files: Sequence[InputFile]) -> list[Path | str]:
    """Return the folders all of whose tables are the input: paths, or a URI."""
    if is_remote(input) and is_store(input):
        return [input] if files[0].name else []
    return [path.resolve() for path in local_paths(input, session.cwd, missing_rows) or [] if path.is_dir()]


def _lies_in(folder: OutputFolder, searched: Path | str) -> bool:
    """Whether tables of a folder would be found in another one.

    They are not where a part of the name begins with . or _.
    """
    if isinstance(folder, LocalFolder) and isinstance(searched, Path):
        own, other = folder.path.parts, searched.parts
    elif isinstance(folder, StoredFolder) and isinstance(searched, str):
        own, other = (tuple(uri.rstrip("/").split("/")) for uri in (folder.folder.uri, searched))
    else:
        return False
    return (
        len(own) > len(other)
        and own[: len(other)] == other
        and not any(part.startswith((".", "_")) for part in own[len(other) :])
    )


def _make_folder(folder: OutputFolder, files: Sequence[InputFile], searched: Sequence[Path | str]) -> None:
    """Make a local folder whose parent exists.

    Raises
    ------
    UsageError : the parent does not exist, or the folder is the input's or lies in it.
    """
    if any(_lies_in(folder, it) for it in searched):
        raise UsageError(
            "output must lie outside of the input folder.", got=f"'{folder.label}'", fix="Name another folder with output=."
        )
    if not isinstance(folder, LocalFolder):
        return
    if not folder.path.parent.is_dir():
        raise UsageError(
            "output must lie in a folder that exists.",
            got=f"'{folder.path}'",
            fix=f"Create it: mkdir -p '{folder.path.parent}'.",
        )
    for file in files:
        place = file.place
        if isinstance(place, Path) and place.resolve().is_relative_to(folder.path):
            raise UsageError(
                "output must be a folder without files of the input.", got=f"'{folder.path}'", fix="Name another folder."
            )
    if folder.path.exists() and not folder.path.is_dir():
        raise UsageError("output must be a folder.", got=f"'{folder.path}', which is none,", fix="Name it without the slash.")
    with as_unwritable(folder.path):
        folder.path.mkdir(exist_ok=True)


def _run(session: Session, model: NamedModel, asked: Asked, tasks: Sequence[PartTask]) -> Iterator[PartDone]:
    """Yield each part when it is done: in this process, or in those of the engine."""
    started, rows = time.monotonic(), 0

    def report(count: int, parts: int) -> None:
        rate = count / max(time.monotonic() - started, 1e-9)
        session.reporter.tick(f"{parts:,} of {len(tasks):,} parts, {count:,} rows, {rate:,.0f} rows/s")

    if session.profile.engine.kind == "local":
        for number, task in enumerate(tasks):

            def tell(count: int, number: int = number, before: int = rows) -> None:
                report(before + count, number)

            done = predict_part(task, asked, tell)
            rows += done.rows
            yield done
        return
    trusted = tuple(session.profile.service.trusted_types)
    there = WorkerModel(session.store.uri, session.recipe.model_name, model.uri, model.model_id, trusted, session.cache_folder)
    calls: list[Call] = [(predict_in_worker, (there, task)) for task in tasks]
    for number, result in enumerate(session.workers.map(calls, ordered=False), 1):
        if isinstance(result, Failed):
            raise result.kind(result.sentence, details=result.details)
        rows += result.rows
        report(rows, number)
        yield result


def _values(
    plan: Plan, shard: Shard, share: Share, new: Sequence[PartDone], missing: Sequence[int], seconds: float
) -> PredictedFolder:
    everything = (*share.done, *new)

    def total(kind: str) -> Mapping[str, int]:
        counts: Counter[str] = Counter()
        for it in everything:
            counts.update(getattr(it, kind))
        return dict(counts)

    rows, rejected = sum(it.rows for it in everything), sum(it.rejected for it in everything)
    return PredictedFolder(
        output=plan.folder.label,
        shard=str(shard),
        parts=len(plan.parts),
        done=len(new),
        reused=len(share.done),
        missing=len(missing),
        rows=rows,
        predicted=rows - rejected,
        rejected=rejected,
        new_rows=sum(it.rows for it in new),
        seconds=seconds,
        out_of_range=total("out_of_range"),
        filtered=total("filtered"),
    )


def _words(values: PredictedFolder, plan: Plan, share: Share, missing: Sequence[int], shard: Shard) -> list[str]:
    parts, rate = len(plan.parts), values.new_rows / max(values.seconds, 1e-9)
    lines = [f"{values.new_rows:,} rows predicted in {values.seconds:.1f} s ({rate:,.0f} rows/s): {values.output}"]
    own = f"Shard {shard}: " if shard.of > 1 else ""
    again = f", {share.changed:,} of them again, since their files have changed" if share.changed else ""
    lines.append(f"{own}parts predicted: {values.done:,}{again}; done before: {values.reused:,}.")
    if values.rejected:
        lines.append(say_rejected(values.rejected, f"{values.output.rstrip('/')}/_rejects"))
    if plan.reason and shard.of > 1:
        lines.append(f"{plan.wanted.files[0].label} is not divided among shards: {plan.reason}.")
    elif shard.of > parts:
        lines.append(f"There are {parts:,} parts: shards from {parts + 1:,} on have none.")
    return [*lines, describe_shards(missing, parts, shard)]
