"""Copies of runs that a stopped transfer left in a store."""

from __future__ import annotations

import time
from collections.abc import Mapping

from recipeline.orchestration.session import Session
from recipeline.tracking.connection.failures import gone_is_fine
from recipeline.tracking.connection.store import search_all_runs, search_all_versions
from recipeline.tracking.filters import quoted
from recipeline.tracking.tags import RunTags

#: A copy of another machine that no version leads to was left when it is older than this.
_LEFT_MS = 24 * 3600 * 1000


def delete_left(target: Session, tags: Mapping[str, str]) -> None:
    """Delete copies with the tags of a transfer that no version leads to.

    A transfer that was stopped left them. One of another machine may still be at work: its copies are left alone for a day.
    Their files are deleted with those of other deleted runs.
    """
    client = target.store.client
    versions = search_all_versions(client)  # another model of the target may be made of the same runs
    used = {value for it in versions for value in (it.run_id, *it.tags.values())}
    since = time.time() * 1000 - _LEFT_MS
    same = " and ".join(f"tags.`{name}` = {quoted(tags[name])}" for name in (RunTags.SOURCE_URI, RunTags.MODEL_NAME))
    for run in search_all_runs(client, same):
        is_left = run.data.tags.get(RunTags.SOURCE_HOST) == tags[RunTags.SOURCE_HOST] or run.info.start_time < since
        if is_left and run.info.run_id not in used:
            with gone_is_fine():
                for output in run.outputs.model_outputs if run.outputs else ():
                    client.delete_logged_model(output.model_id)
            with gone_is_fine():
                client.delete_run(run.info.run_id)
