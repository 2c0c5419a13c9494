"""From samples to the rows of the table, with the bars that this project holds itself to."""

from collections.abc import Iterator, Sequence

from perf.bar_table import Sample, ratios, row, scaled
from perf.promises.estimate_error import COUNTS
from perf.record.result_schema import Figure

_STATES = {"known": "prompt computed", "cached": "instructions computed", "cold": "nothing computed"}


def rows(samples: Sequence[Sample], parts: Sequence[str]) -> list[Figure]:
    """The rows of the parts that were measured."""
    makers = {
        "overload": _overload,
        "critical": _critical,
        "refusal": _refusal,
        "estimate": _estimate,
        "pinned": _pinned,
        "score": _score,
        "typed": _typed,
    }
    return [each for part in parts for each in makers[part](samples)]


def _overload(samples: Sequence[Sample]) -> Iterator[Figure]:
    what = "goodput at 1.5 × capacity: with admission ÷ without"
    yield row(what, "", ratios(samples, "with.goodput", "without.goodput"), 1.5, at_most=False)
    kept = scaled(samples, "with.kept")
    yield row("admitted requests that meet their deadline", "", kept, 0.95, at_most=False)
    yield row(
        "goodput with admission ÷ llama-server's", "", ratios(samples, "with.goodput", "llama.goodput"), None
    )
    yield row("capacity", "1/s", scaled(samples, "capacity"), None)
    for name, who in (("with", "with admission"), ("without", "without"), ("llama", "llama-server")):
        yield row(f"{who}: goodput", "1/s", scaled(samples, f"{name}.goodput"), None)
    yield row("with admission: share admitted", "", scaled(samples, "with.admitted"), None)
    for name, who in (("without", "without"), ("llama", "llama-server")):
        yield row(f"{who}: requests that meet their deadline", "", scaled(samples, f"{name}.kept"), None)


def _critical(samples: Sequence[Sample]) -> Iterator[Figure]:
    what = "TTFT p95 of CRITICAL under BATCH load ÷ idle"
    yield row(what, "", ratios(samples, "ours.loaded.p95", "ours.idle.p95"), 2)
    yield row("llama-server: that ratio", "", ratios(samples, "llama.loaded.p95", "llama.idle.p95"), None)
    for name, who in (("ours", "ours"), ("llama", "llama-server")):
        for state in ("idle", "loaded"):
            for percent in (50, 95):
                found = scaled(samples, f"{name}.{state}.p{percent}", 1e3)
                yield row(f"{who}, {state}: TTFT p{percent}", "ms", found, None)


def _refusal(samples: Sequence[Sample]) -> Iterator[Figure]:
    yield row("a refusal reaches the caller, p99", "ms", scaled(samples, "all.p99", 1e3), 25)
    for kind, why in (("deadline", "for its deadline"), ("full", "for a full queue")):
        for percent in (50, 99):
            found = scaled(samples, f"{kind}.p{percent}", 1e3)
            yield row(f"refusal {why}, p{percent}", "ms", found, None)
        yield row(f"share refused {why}", "", scaled(samples, f"{kind}.refused"), None)


def _estimate(samples: Sequence[Sample]) -> Iterator[Figure]:
    for kind, what in (("fixed", "of known length"), ("free", "of free length")):
        found = scaled(samples, f"{kind}.error")
        yield row(f"Estimate's error of completion at p50, answers {what}", "", found, 0.20)
        for streams in COUNTS:
            found = scaled(samples, f"{kind}.error.{streams}")
            yield row(f"that error, {what}, {streams} streams", "", found, None)
        yield row(f"share that ends before p95, {what}", "", scaled(samples, f"{kind}.within_p95"), None)


def _pinned(samples: Sequence[Sample]) -> Iterator[Figure]:
    what = "TTFT of a pinned task ÷ the same prompt cold, 450-token prefix"
    yield row(what, "", ratios(samples, "pinned.pinned", "pinned.cold"), 0.15)
    for kind, when in (
        ("first", "first after the start"),
        ("idle", "after a pause"),
        ("busy", "after other work"),
    ):
        yield row(f"that ratio, {when}", "", ratios(samples, f"pinned.{kind}", "pinned.cold"), None)
    yield row("pinned task: TTFT", "ms", scaled(samples, "pinned.pinned", 1e3), None)
    yield row("the same prompt cold: TTFT", "ms", scaled(samples, "pinned.cold", 1e3), None)
    yield row("pinned task: share of the prompt cached", "", scaled(samples, "pinned.cached"), None)


def _score(samples: Sequence[Sample]) -> Iterator[Figure]:
    what = "Score of 8 choices ÷ the answer as JSON"
    for state, how in _STATES.items():
        bar = 0.3 if state == "known" else None
        yield row(f"{what}, {how}", "", ratios(samples, f"score.{state}", f"json.{state}"), bar)
    found = ratios(samples, "score.prompt", "prefill.prompt")
    yield row("Score of 8 choices ÷ prefilling the prompt", "", found, 1.3)
    for key, label in (("score", "Score"), ("json", "the answer as JSON")):
        for state, how in _STATES.items():
            yield row(f"{label}, {how}", "ms", scaled(samples, f"{key}.{state}", 1e3), None)


def _typed(samples: Sequence[Sample]) -> Iterator[Figure]:
    what = "time a token, held to a schema ÷ free, 1 stream"
    yield row(f"{what}, greedy", "", ratios(samples, "greedy.held", "greedy.free"), 1.10)
    yield row(f"{what}, drawn", "", ratios(samples, "drawn.held", "drawn.free"), None)
    for how in ("greedy", "drawn"):
        for kind, label in (("held", "held to a schema"), ("free", "free")):
            yield row(f"{label}, {how}: time a token", "ms", scaled(samples, f"{how}.{kind}", 1e3), None)
