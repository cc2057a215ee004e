"""Queues: waits of one with several servers, and loads that rise.

All times are in seconds. Nothing here knows what is queued.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


def waits(arrivals: np.ndarray, services: np.ndarray, servers: int) -> np.ndarray:
    """Return how long each customer waits, of shape (customers,).

    The first who came is served first, by the first server that is free. `arrivals` are sorted times, `services` the times that
    they take, both of shape (customers,), finite.
    """
    free = [-np.inf] * servers
    found = np.empty(len(arrivals))
    for number, (arrived, takes) in enumerate(zip(arrivals.tolist(), services.tolist(), strict=True)):
        begins = max(arrived, free[0])
        heapq.heapreplace(free, begins + takes)
        found[number] = begins - arrived
    return found


def draw_arrivals(rate: float, customers: int, random: np.random.Generator) -> np.ndarray:
    """Return the times of independent arrivals at `rate` a second."""
    return np.cumsum(random.exponential(1 / rate, customers))


def draw_polls(pollers: int, every: float, seconds: float, jitter: float, random: np.random.Generator) -> np.ndarray:
    """Return the sorted times of polls until `seconds`.

    Each of the pollers begins at a moment of its own, and waits `every` seconds, more or less by the share `jitter`, between
    two.
    """
    times = []
    for began in random.uniform(0, every, pollers).tolist():
        number = int((seconds - began) / (every * (1 - jitter))) + 1
        times.append(began + np.concatenate([[0.0], np.cumsum(every * random.uniform(1 - jitter, 1 + jitter, number))]))
    found = np.sort(np.concatenate(times)) if times else np.empty(0)
    return found[found < seconds]


def greatest_load(wait_at: Callable[[float], float], most_wait: float, steps: int = 12) -> float:
    """Return the greatest share of full load at which a wait stays within a limit.

    `wait_at` must not fall with the load.
    """
    low, high = 0.0, 1.0
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if wait_at(middle) <= most_wait else (low, middle)
    return low


@dataclass(frozen=True)
class Surge:
    """The requests of a load that rises at once: answered, refused, still waiting."""

    arrived: float
    answered: float
    refused: float
    waiting: float
    seconds_over: float


def rise(before: float, after: float, capacity: float, *, start_seconds: float, places: float, seconds: float = 60.0) -> Surge:
    """Return what becomes of requests when their rate rises from `before` to `after`.

    `capacity` requests a second are answered at first, and as many more as are needed `start_seconds` later, when what was
    started at the rise is ready. At most `places` wait; the rest is refused. A flow, in steps of 20 milliseconds.
    """
    step, waiting, answered, refused, over = 0.02, 0.0, 0.0, 0.0, 0.0
    steps = round(seconds / step)
    for number in range(steps):
        able = capacity if number * step < start_seconds else max(capacity, after / max(before / capacity, 1e-9))
        waiting += after * step
        done = min(waiting, able * step)
        answered, waiting = answered + done, waiting - done
        lost = max(waiting - places, 0.0)
        refused, waiting, over = refused + lost, waiting - lost, over + (step if lost else 0.0)
    return Surge(after * step * steps, answered, refused, waiting, over)
