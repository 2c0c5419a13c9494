"""From samples to the rows of the table, with the bar of helpers."""

from collections.abc import Sequence

from perf.bar_table import Sample, ratios, row, scaled
from perf.record.result_schema import Figure
from perf.shards.measure_shards import STREAMS

LEAST_SHARE = 0.85
"""Decoding over two helpers on loopback, as a share of that in one process."""


def rows(samples: Sequence[Sample], parts: Sequence[str]) -> list[Figure]:
    """The rows of what was measured, and of what was not."""
    return [each for part in parts for each in _rows(samples, part)]


def _rows(samples: Sequence[Sample], part: str) -> list[Figure]:
    def share(key: str) -> list[float]:
        return ratios(samples, f"{part}.two.{key}", f"{part}.one.{key}")

    bar = LEAST_SHARE if part == "loopback" else None
    found = [
        row(f"{part}: decode, 1 stream, one process", "tok/s", scaled(samples, f"{part}.one.decode.1"), None),
        row(f"{part}: decode, 1 stream, two helpers", "tok/s", scaled(samples, f"{part}.two.decode.1"), None),
        row(
            f"{part}: decode, 1 stream, two helpers ÷ one process", "", share("decode.1"), bar, at_most=False
        ),
    ]
    found += [
        row(f"{part}: decode, {count} streams, two helpers ÷ one process", "", share(f"decode.{count}"), None)
        for count in STREAMS[1:]
    ]
    found.append(row(f"{part}: prefill, two helpers ÷ one process", "", share("prefill"), None))
    found.append(row(f"{part}: time to serve, two helpers", "s", scaled(samples, f"{part}.two.load_s"), None))
    if part != "loopback":
        found.append(row(f"{part}: bytes a token", "kB", scaled(samples, f"{part}.two.bytes", 1e-3), None))
    return found
