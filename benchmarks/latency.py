"""Latencies corrected for coordinated omission, as a histogram.

A client that waits leaves out requests.
"""

from __future__ import annotations

import numpy as np

#: The upper edges of the histogram, in milliseconds; the last one has no end.
EDGES = (0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, float("inf"))
_BAR = 12


def correct(latencies: np.ndarray, interval: float) -> np.ndarray:
    """Return sorted latencies with those of the requests that were left out.

    All are in milliseconds, of shape (requests,), without NaN; `interval` is that between two requests, 0: none is left out.
    A client of a closed loop asks every `interval` on average. One that waits for longer than two of these leaves requests
    out, and would have waited in each of them: for an interval less, two intervals less, and so on down to one.

    Source: Tene's correction for coordinated omission, as `wrk --latency` and HdrHistogram apply it.
    """
    late = latencies[latencies >= 2 * interval] if interval > 0 else latencies[:0]
    omitted = [np.arange(latency - interval, interval, -interval) for latency in late]
    return np.sort(np.concatenate([latencies, *omitted]))


def quantile(latencies: np.ndarray, share: float) -> float:
    """Return the latency that a share of the sorted latencies stays within.

    NaN where there are none.
    """
    return float(latencies[min(int(share * len(latencies)), len(latencies) - 1)]) if len(latencies) else float("nan")


def shares(latencies: np.ndarray) -> np.ndarray:
    """Return the share of the latencies in each bin of EDGES, of shape (edges,).

    A bin has its upper edge in it.
    """
    counts = np.bincount(np.searchsorted(EDGES, latencies), minlength=len(EDGES))
    found: np.ndarray = counts / max(len(latencies), 1)
    return found


def draw_histogram(columns: dict[str, np.ndarray]) -> str:
    """Return a histogram of several columns of latencies as text.

    Each line is a bin: its upper edge, and of each column the share and a bar. Empty bins at both ends are left out.
    """
    found = {title: shares(latencies) for title, latencies in columns.items()}
    used = np.flatnonzero(np.sum(list(found.values()), axis=0))
    if not len(used):
        return ""
    width = _BAR + 9
    lines = [f"{'latency':>12}  " + "".join(f"{title:<{width}}" for title in found)]
    for number in range(used[0], used[-1] + 1):
        edge = EDGES[number]
        label = f"<= {edge:g} ms" if np.isfinite(edge) else f"> {EDGES[-2]:g} ms"
        cells = (f"{100 * part[number]:6.2f} % {'#' * int(np.ceil(_BAR * part[number])):<{_BAR}} " for part in found.values())
        lines.append(f"{label:>12}  " + "".join(cells))
    return "\n".join(line.rstrip() for line in lines)
