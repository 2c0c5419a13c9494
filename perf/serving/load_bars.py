"""The rows of the loads: ours beside llama-server's, and beside gRPC that computes nothing."""

from collections.abc import Iterator, Sequence

from perf.bar_table import Sample, ratios, row, scaled, values
from perf.record.result_schema import Figure
from perf.serving.compared_loads import BURST, SOLO

PEER = "llama-server"
TTFT_BAR = 1.02
BURST_TTFT_BAR = 0.75
STAGGERED_GAP_BAR = 0.1
LONG_TTFT_BAR = 1.3
STREAM_BARS = {1: 1.00, 4: 1.10, 8: 1.05}
DEFAULT_ONE_STREAM_BAR = 0.98
CPU_BAR_US = 40


def rows(
    samples: Sequence[Sample], parts: Sequence[str], streams: Sequence[int], *, is_default: bool
) -> Iterator[Figure]:
    """Those of the parts that were measured. `is_default`: of the default model, with bars of its own."""
    makers = {
        "solo": lambda: _solo(samples),
        "streams": lambda: _streams(samples, streams, is_default=is_default),
        "burst": lambda: _burst(samples),
        "staggered": lambda: _staggered(samples),
        "mixed": lambda: _mixed(samples),
    }
    for part in parts:
        if part in makers:
            yield from makers[part]()


def _to_peer(samples: Sequence[Sample], figure: str) -> list[float]:
    return ratios(samples, f"ours.{figure}", f"{PEER}.{figure}")


def _both(
    samples: Sequence[Sample], what: str, unit: str, figure: str, factor: float = 1.0
) -> Iterator[Figure]:
    """Both sides' own values, for information."""
    for target in ("ours", PEER):
        if found := scaled(samples, f"{target}.{figure}", factor):
            yield row(f"{target}: {what}", unit, found, None)


def _solo(samples: Sequence[Sample]) -> Iterator[Figure]:
    for tokens in SOLO:
        what, load = f"one caller, {tokens:,}-token prompt", f"solo-{tokens}"
        yield row(f"{what}: TTFT ÷ {PEER}'s", "", _to_peer(samples, f"{load}.ttft"), TTFT_BAR)
        gap = _to_peer(samples, f"{load}.itl_p50")
        yield row(f"{what}: middle gap between tokens ÷ {PEER}'s", "", gap, None)
        yield from _both(samples, f"{what}: TTFT", "ms", f"{load}.ttft", 1e3)


def _streams(samples: Sequence[Sample], streams: Sequence[int], *, is_default: bool) -> Iterator[Figure]:
    for count in streams:
        what, load = f"{_counted(count)} of 400 cells", f"decode-{count}"
        bar = DEFAULT_ONE_STREAM_BAR if is_default and count == 1 else STREAM_BARS.get(count)
        rate = _to_peer(samples, f"{load}.decode_tokens_per_second")
        yield row(f"{what}: decode rate ÷ {PEER}'s", "", rate, bar, at_most=False)
        gap = _to_peer(samples, f"{load}.itl_p50")
        yield row(f"{what}: middle gap between tokens ÷ {PEER}'s", "", gap, None)
        yield from _both(samples, f"{what}: decode", "tok/s", f"{load}.decode_tokens_per_second")
    for count in streams:
        what = f"server process CPU a token less the echo's, {_counted(count)}"
        yield row(what, "µs", _over_echo(samples, f"decode-{count}"), CPU_BAR_US)
        for target in ("ours", "echo"):
            found = scaled(samples, f"{target}.decode-{count}.front_cpu_per_token", 1e6)
            yield row(f"{target}: server process CPU a token, {_counted(count)}", "µs", found, None)


def _counted(streams: int) -> str:
    return f"{streams} stream{'s' if streams > 1 else ''}"


def _over_echo(samples: Sequence[Sample], load: str) -> list[float]:
    ours, echo = (values(samples, f"{name}.{load}.front_cpu_per_token") for name in ("ours", "echo"))
    return [1e6 * (ours[number] - echo[number]) for number in ours.keys() & echo.keys()]


def _burst(samples: Sequence[Sample]) -> Iterator[Figure]:
    for callers in BURST:
        what, load = f"burst of {callers}", f"burst-{callers}"
        yield from _output(samples, what, load)
        yield row(f"{what}: mean TTFT ÷ {PEER}'s", "", _to_peer(samples, f"{load}.ttft"), BURST_TTFT_BAR)
        yield from _both(samples, f"{what}: mean TTFT", "s", f"{load}.ttft")
        yield from _both(samples, f"{what}: worst gap", "ms", f"{load}.worst_gap_seconds", 1e3)


def _output(samples: Sequence[Sample], what: str, load: str) -> Iterator[Figure]:
    figure = f"{load}.output_tokens_per_second"
    yield row(f"{what}: output ÷ {PEER}'s", "", _to_peer(samples, figure), 1.0, at_most=False)
    yield from _both(samples, f"{what}: output", "tok/s", figure)


def _staggered(samples: Sequence[Sample]) -> Iterator[Figure]:
    yield from _output(samples, "staggered", "staggered")
    gap = _to_peer(samples, "staggered.worst_gap_seconds")
    yield row(f"staggered: worst gap ÷ {PEER}'s", "", gap, STAGGERED_GAP_BAR)
    yield from _both(samples, "staggered: worst gap", "ms", "staggered.worst_gap_seconds", 1e3)
    yield from _both(samples, "staggered: mean TTFT", "s", "staggered.ttft")


def _mixed(samples: Sequence[Sample]) -> Iterator[Figure]:
    what = "worst gap of 3 streams while 1,500 tokens arrive ÷ max(150 ms, 3 × their decode step)"
    yield row(what, "", scaled(samples, "ours.mixed.gap_bound_ratio"), 1.0)
    what = "that prompt's TTFT ÷ its time alone"
    yield row(what, "", scaled(samples, "ours.mixed.ttft_to_alone"), LONG_TTFT_BAR)
    yield from _both(samples, "that gap", "ms", "mixed.worst_gap_seconds", 1e3)
    yield from _both(samples, "the streams' decode step", "ms", "mixed.decode_step_seconds", 1e3)
    yield from _both(samples, "that prompt's TTFT", "s", "mixed.ttft")
    yield row(f"{PEER}: that prompt's TTFT ÷ its time alone", "",
              scaled(samples, f"{PEER}.mixed.ttft_to_alone"), None)  # fmt: skip
