"""Functions that other processes call; importing this takes no time there."""

from __future__ import annotations

import os
import signal
import time

import numpy as np

from recipeline.errors import UsageError
from recipeline.reports.page import Page


def square_late(number: int) -> int:
    """Answer the later, the smaller the number is."""
    time.sleep(0.05 * (4 - number))
    return number * number


def weigh(values: np.ndarray, factor: float, seconds: float = 0.0) -> float:
    time.sleep(seconds)
    return float(values.sum()) * factor


def refuse(number: int) -> int:
    if number == 2:
        raise UsageError("2 is not a number that is liked.", got="2")
    return number


def process_id() -> int:
    return os.getpid()


def process_id_late(seconds: float) -> int:
    """Return the process's number, so late that others cannot answer for it too."""
    time.sleep(seconds)
    return os.getpid()


def priority_late() -> int:
    """Return the process's priority, so late that others cannot answer for it too."""
    time.sleep(0.5)
    return os.nice(0)


def end_process(number: int = signal.SIGKILL) -> None:
    os.kill(os.getpid(), number)


def draw_elsewhere(process: int) -> Page:
    """Return a page in one process; fail in others."""
    if os.getpid() != process:
        raise RuntimeError("not here")
    return Page("<html>here</html>")


def check_alignment(values: tuple[np.ndarray, ...], *others: np.ndarray) -> tuple[list[bool], tuple[np.ndarray, ...]]:
    """Return whether each array begins where a processor expects it, and the arrays."""
    return [array.flags.aligned for array in (*values, *others)], (*values, *others)
