"""From samples to the rows of the table, with their bars."""

from collections.abc import Sequence

from perf.bar_table import Sample, ratios, row, values
from perf.big_little.ways import BIG_LITTLE, GUIDED
from perf.record.result_schema import Figure

MAX_PASSES = 0.35
MIN_ACCURACY = 0.9
MIN_BATCHING = 2.0
SPEED = ".tokens_s"


def rows(samples: Sequence[Sample]) -> list[Figure]:
    """The rows of what was measured."""
    keys = list(
        dict.fromkeys(
            each.key.removesuffix(".tokens_s") for each in samples if each.key.endswith(".tokens_s")
        )
    )
    figures = [figure for key in keys for figure in _of_way(samples, key)]
    batching = ratios(samples, "sessions.8", "sessions.1")
    return [
        *figures,
        row("verified tokens/s at the big node: 8 sessions ÷ 1", "", batching, MIN_BATCHING, at_most=False),
    ]


def _of_way(samples: Sequence[Sample], key: str) -> list[Figure]:
    def found(what: str) -> list[float]:
        return list(values(samples, f"{key}.{what}").values())

    name, _, rtt = key.rpartition(".")
    label, exact, lossy = f"{name}, {rtt} ms", name == "verified", name.startswith(BIG_LITTLE)
    figures = [row(f"{label}: speed", "tokens/s", found("tokens_s"), None)]
    if exact or lossy or name == GUIDED:
        faster = ratios(samples, f"{key}{SPEED}", f"big.{rtt}{SPEED}")
        same = found("same")
        figures += [
            row(f"{label}: big passes a token", "", found("passes"), MAX_PASSES if lossy else None),
            row(f"{label}: bytes a token", "bytes", found("bytes"), None),
            row(f"{label}: speed ÷ big alone", "", faster, None),
            row(f"{label}: same answer as big", "", same, 1.0 if exact else None, at_most=False),
        ]
    figures.append(row(f"{label}: worst gap", "ms", found("gap_ms"), None))
    figures.append(row(f"{label}: right answers", "", found("right"), None))
    if lossy:
        known = [each for each in samples if each.key != f"big.{rtt}.right" or each.value]
        accuracy = ratios(known, f"{key}.right", f"big.{rtt}.right")
        figures.append(row(f"{label}: right answers ÷ big", "", accuracy, MIN_ACCURACY, at_most=False))
    return figures
