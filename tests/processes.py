"""Processes of their own, forked from one that has imported what commands need."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

#: To import them takes seconds, which each process would take for itself. The one that has them lives as long as the tests do;
#: its environment is that of the first test that asked for it, so that paths are given, not looked up.
PRELOADED = ["recipeline.cli.environment", "recipeline.orchestration.chain", "tests.registry.helpers"]


def new_processes(count: int, initializer: Callable[..., object] | None = None, *arguments: Any) -> ProcessPoolExecutor:
    """Return a pool of new processes, which share nothing with this one or with each other."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return ProcessPoolExecutor(count, mp_context=context, initializer=initializer, initargs=arguments)
