"""Prints figures as lines that can be read and compared."""

import os
from collections.abc import Sequence


def line(what: str, figure: str) -> None:
    """Print one result, with the machine's load in the minute before."""
    print(f"{what:<66} {figure}  [load {os.getloadavg()[0]:.1f}]", flush=True)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return a percentile of the values; NaN if there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else float("nan")


def late(took_s: Sequence[float]) -> str:
    """Return median and 99th percentile of delays, as text."""
    return f"p50 {percentile(took_s, 50) * 1000:.1f} ms, p99 {percentile(took_s, 99) * 1000:.1f} ms"
