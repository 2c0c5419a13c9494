"""From samples to the rows of the table, with the bars that this project holds itself to."""

from collections.abc import Iterator, Sequence

from perf.table import Row, Sample, ratios, row, values

WORKER_BAR = 0.98
CLIENT_BARS = {1: 0.97, 4: 0.97, 8: 0.95}
PEER_BAR = 1.10
MEGABYTE = 1_000_000


def rows(samples: Sequence[Sample], streams: Sequence[int], parts: Sequence[str]) -> list[Row]:
    """The rows of the parts that were measured."""
    makers = {
        "decode": _decode_rows(samples, streams),
        "arrival": _arrival_rows(samples),
        "prefix": _prefix_rows(samples),
        "cancel": _cancel_rows(samples),
        "footprint": _footprint_rows(samples),
    }
    return [each for part in parts for each in makers[part]]


def _decode_rows(samples: Sequence[Sample], streams: Sequence[int]) -> Iterator[Row]:
    for count in streams:
        found = ratios(samples, f"worker.decode.{count}", f"baseline.decode.{count}")
        yield row(f"decode in the worker ÷ baseline, {count} streams", "", found, WORKER_BAR, at_most=False)
    for count in streams:
        found = ratios(samples, f"grpc.decode.{count}", f"baseline.decode.{count}")
        bar = CLIENT_BARS.get(count)
        yield row(f"decode at gRPC clients ÷ baseline, {count} streams", "", found, bar, at_most=False)
    for count in streams:
        found = ratios(samples, f"grpc.decode.{count}", f"llama.decode.{count}")
        yield row(f"decode at clients ÷ llama-server's, {count} streams", "", found, PEER_BAR, at_most=False)
    for count in streams:
        found = _scaled(samples, f"grpc.server_cpu.{count}", 1e6)
        yield row(f"server process CPU per token, {count} streams", "µs", found, 150)
    yield from _rates(samples, streams)


def _rates(samples: Sequence[Sample], streams: Sequence[int]) -> Iterator[Row]:
    for name in ("baseline", "worker", "grpc", "llama"):
        for count in streams:
            found = _scaled(samples, f"{name}.decode.{count}", 1)
            if found:
                yield row(f"{name}: decode, {count} streams", "tok/s", found, None)


def _arrival_rows(samples: Sequence[Sample]) -> Iterator[Row]:
    what = "worst gap of 3 streams while a 1,500-token prompt arrives"
    yield row(what, "ms", _scaled(samples, "grpc.worst_gap", 1e3), 150)
    yield row("that prompt's TTFT ÷ its time alone", "", _scaled(samples, "grpc.long_ttft_ratio", 1), 1.5)
    if peer := _scaled(samples, "llama.worst_gap", 1e3):
        yield row("llama-server: that gap", "ms", peer, None)
        ratio = _scaled(samples, "llama.long_ttft_ratio", 1)
        yield row("llama-server: that prompt's TTFT ÷ its time alone", "", ratio, None)
        yield row("llama-server: that prompt's TTFT", "s", _scaled(samples, "llama.long_ttft", 1), None)
    yield row("that prompt's TTFT", "s", _scaled(samples, "grpc.long_ttft", 1), None)


def _prefix_rows(samples: Sequence[Sample]) -> Iterator[Row]:
    what = "4 callers share a 450-token system prompt: worst TTFT ÷ cold"
    yield row(what, "", _scaled(samples, "grpc.shared_ratio", 1), 0.25)
    if peer := _scaled(samples, "llama.shared_ratio", 1):
        yield row("llama-server: that ratio", "", peer, None)


def _cancel_rows(samples: Sequence[Sample]) -> Iterator[Row]:
    what = "steps a cancelled sequence still takes part in"
    yield row(what, "", _scaled(samples, "worker.cancel_steps", 1), 1)
    what = "steps until a waiting request has its slot"
    yield row(what, "", _scaled(samples, "worker.reuse_steps", 1), None)


def _footprint_rows(samples: Sequence[Sample]) -> Iterator[Row]:
    what = "PSS of server and worker, less model file and KV cache"
    yield row(what, "MB", _scaled(samples, "memory.bytes", 1 / MEGABYTE), 150)
    what = "of it, prefixes parked beside the KV cache"
    yield row(what, "MB", _scaled(samples, "memory.parked_bytes", 1 / MEGABYTE), None)
    yield row("start of serve to health SERVING", "s", _scaled(samples, "start.seconds", 1), 2.5)


def _scaled(samples: Sequence[Sample], key: str, factor: float) -> list[float]:
    return [value * factor for value in values(samples, key).values()]
