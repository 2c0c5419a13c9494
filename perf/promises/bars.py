"""From samples to the rows of the table, with the bars that this project holds itself to."""

from collections.abc import Iterator, Sequence

from perf.table import Row, Sample, ratios, row, values


def rows(samples: Sequence[Sample], parts: Sequence[str]) -> list[Row]:
    """The rows of the parts that were measured."""
    makers = {"overload": _overload, "critical": _critical, "refusal": _refusal}
    return [each for part in parts for each in makers[part](samples)]


def _overload(samples: Sequence[Sample]) -> Iterator[Row]:
    what = "goodput at 1.5 × capacity: with admission ÷ without"
    yield row(what, "", ratios(samples, "with.goodput", "without.goodput"), 1.5, at_most=False)
    kept = _found(samples, "with.kept")
    yield row("admitted requests that meet their deadline", "", kept, 0.95, at_most=False)
    yield row(
        "goodput with admission ÷ llama-server's", "", ratios(samples, "with.goodput", "llama.goodput"), None
    )
    yield row("capacity", "1/s", _found(samples, "capacity"), None)
    for name, who in (("with", "with admission"), ("without", "without"), ("llama", "llama-server")):
        yield row(f"{who}: goodput", "1/s", _found(samples, f"{name}.goodput"), None)
    yield row("with admission: share admitted", "", _found(samples, "with.admitted"), None)
    for name, who in (("without", "without"), ("llama", "llama-server")):
        yield row(f"{who}: requests that meet their deadline", "", _found(samples, f"{name}.kept"), None)


def _critical(samples: Sequence[Sample]) -> Iterator[Row]:
    what = "TTFT p95 of CRITICAL under BATCH load ÷ idle"
    yield row(what, "", ratios(samples, "ours.loaded.p95", "ours.idle.p95"), 2)
    yield row("llama-server: that ratio", "", ratios(samples, "llama.loaded.p95", "llama.idle.p95"), None)
    for name, who in (("ours", "ours"), ("llama", "llama-server")):
        for state in ("idle", "loaded"):
            for percent in (50, 95):
                found = _found(samples, f"{name}.{state}.p{percent}", 1e3)
                yield row(f"{who}, {state}: TTFT p{percent}", "ms", found, None)


def _refusal(samples: Sequence[Sample]) -> Iterator[Row]:
    yield row("a refusal reaches the caller, p99", "ms", _found(samples, "all.p99", 1e3), 25)
    for kind, why in (("deadline", "for its deadline"), ("full", "for a full queue")):
        for percent in (50, 99):
            found = _found(samples, f"{kind}.p{percent}", 1e3)
            yield row(f"refusal {why}, p{percent}", "ms", found, None)
        yield row(f"share refused {why}", "", _found(samples, f"{kind}.refused"), None)


def _found(samples: Sequence[Sample], key: str, factor: float = 1.0) -> list[float]:
    return [value * factor for value in values(samples, key).values()]
