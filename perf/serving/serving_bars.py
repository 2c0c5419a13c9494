"""From samples to the rows of the table, with the bars that this project holds itself to."""

from collections.abc import Iterator, Sequence

from perf.bar_table import Sample, ratios, row, scaled
from perf.record.result_schema import Figure
from perf.serving import load_bars
from perf.serving.long_contexts import CHUNKS, LENGTHS

WORKER_BAR = 0.98
CLIENT_BARS = {1: 0.97, 4: 0.97, 8: 0.95}
START_BAR_S = 4.0
DEFAULT_START_BAR_S = 1.5
ABORT_BAR_MS = 20
LONG_DECODE_BAR = 1.15
MEGABYTE = 1_000_000


def rows(
    samples: Sequence[Sample], streams: Sequence[int], parts: Sequence[str], *, is_default: bool
) -> list[Figure]:
    """The rows of the parts that were measured. `is_default`: of the default model, with bars of its own."""
    makers = {
        "decode": _decode_rows(samples, streams),
        "prefix": _prefix_rows(samples),
        "cancel": _cancel_rows(samples),
        "abort": _abort_rows(samples),
        "long": _long_rows(samples),
        "footprint": _footprint_rows(samples, DEFAULT_START_BAR_S if is_default else START_BAR_S),
    }
    loads = load_bars.rows(samples, parts, streams, is_default=is_default)
    return [*loads, *(each for part in parts for each in makers.get(part, ()))]


def _decode_rows(samples: Sequence[Sample], streams: Sequence[int]) -> Iterator[Figure]:
    for count in streams:
        found = ratios(samples, f"worker.decode.{count}", f"baseline.decode.{count}")
        yield row(f"decode in the worker ÷ baseline, {count} streams", "", found, WORKER_BAR, at_most=False)
    for count in streams:
        found = ratios(samples, f"grpc.decode.{count}", f"baseline.decode.{count}")
        bar = CLIENT_BARS.get(count)
        yield row(f"decode at gRPC clients ÷ baseline, {count} streams", "", found, bar, at_most=False)
    yield from _rates(samples, streams)


def _rates(samples: Sequence[Sample], streams: Sequence[int]) -> Iterator[Figure]:
    for name in ("baseline", "worker", "grpc", "llama"):
        for count in streams:
            found = scaled(samples, f"{name}.decode.{count}", 1)
            if found:
                yield row(f"{name}: decode, {count} streams", "tok/s", found, None)


def _prefix_rows(samples: Sequence[Sample]) -> Iterator[Figure]:
    what = "4 callers share a 450-token system prompt: worst TTFT ÷ cold"
    yield row(what, "", scaled(samples, "grpc.shared_ratio", 1), 0.25)
    if peer := scaled(samples, "llama.shared_ratio", 1):
        yield row("llama-server: that ratio", "", peer, None)


def _cancel_rows(samples: Sequence[Sample]) -> Iterator[Figure]:
    what = "steps a cancelled sequence still takes part in"
    yield row(what, "", scaled(samples, "worker.cancel_steps", 1), 1)
    what = "steps until a waiting request has its slot"
    yield row(what, "", scaled(samples, "worker.reuse_steps", 1), None)


def _abort_rows(samples: Sequence[Sample]) -> Iterator[Figure]:
    what = "from a cancel in a 1,500-token prefill to the next request's first compute"
    yield row(what, "ms", scaled(samples, "worker.prefill_cancel", 1e3), ABORT_BAR_MS)


def _long_rows(samples: Sequence[Sample]) -> Iterator[Figure]:
    for length in LENGTHS:
        what = f"decode step of 8 streams of {length:,} cells: unified cache ÷ a cache for each"
        yield row(what, "", _unified_to_separate(samples, f"long-decode.{length}"), LONG_DECODE_BAR)
    for count in CHUNKS:
        for length in LENGTHS:
            what = f"{count} prompt tokens beside 8 × {length:,} cells: unified cache ÷ a cache for each"
            yield row(what, "", _unified_to_separate(samples, f"long-prompt-{count}.{length}"), None)


def _unified_to_separate(samples: Sequence[Sample], figure: str) -> list[float]:
    return ratios(samples, f"unified.{figure}", f"separate.{figure}")


def _footprint_rows(samples: Sequence[Sample], start_bar_s: float) -> Iterator[Figure]:
    what = "PSS of server and worker, less model file and KV cache"
    yield row(what, "MB", scaled(samples, "memory.bytes", 1 / MEGABYTE), 150)
    what = "of it, prefixes parked beside the KV cache"
    yield row(what, "MB", scaled(samples, "memory.parked_bytes", 1 / MEGABYTE), None)
    yield row("start of serve to health SERVING", "s", scaled(samples, "start.seconds", 1), start_bar_s)
