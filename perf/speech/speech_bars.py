"""From samples to the rows of the table, with the bars of speech."""

import statistics
from collections.abc import Iterator, Sequence

from perf.bar_table import Sample, row, scaled
from perf.record.result_schema import Figure

_PARTS = {
    "endpoint": "silence that is waited for",
    "recognition": "recognition after that",
    "generation": "the first sentence of the answer",
    "synthesis": "its audio",
}


def rows(samples: Sequence[Sample]) -> list[Figure]:
    """The rows of what was measured, and of what was not."""
    return [*_speed(samples), *_conversation(samples)]


def _speed(samples: Sequence[Sample]) -> Iterator[Figure]:
    errors = scaled(samples, "errors")
    yield row("50 sentences spoken and recognised: word error rate", "", errors, 0.03)
    yield row("recognition ÷ real time", "", scaled(samples, "recognition.rtf"), 0.5)
    yield row("synthesis ÷ real time", "", scaled(samples, "synthesis.rtf"), None)
    yield row("longest time between texts while somebody speaks", "s", scaled(samples, "interim.gap"), 1)
    yield row("end of speech to the final text", "s", scaled(samples, "final.late"), None)


def _conversation(samples: Sequence[Sample]) -> Iterator[Figure]:
    what = "end of speech to the first audio of the answer, p50"
    yield row(what, "s", _medians(samples, "first_audio"), 1.5)
    for part, words in _PARTS.items():
        yield row(f"of that: {words}", "s", _medians(samples, part), None)


def _medians(samples: Sequence[Sample], name: str) -> list[float]:
    """The median over the questions of each round."""
    found: dict[int, list[float]] = {}
    for sample in samples:
        if sample.key.startswith(f"{name}."):
            found.setdefault(sample.round, []).append(sample.value)
    return [statistics.median(each) for each in found.values()]
