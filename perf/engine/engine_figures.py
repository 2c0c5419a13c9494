"""From samples to the figures of the summary."""

import statistics
from collections.abc import Iterator, Sequence

from perf.engine.engine_samples import BandwidthSample, BytesSample, Sample, StepsSample
from perf.record.make_figures import measured, not_measured, of_interval
from perf.record.result_schema import Figure
from perf.record.statistics_of_samples import ratio_of_pairs

BARE = "bare"


def summary(samples: Sequence[Sample]) -> list[Figure]:
    """Overheads first, then the share of the bandwidth, then what both follow from."""
    steps = [each for each in samples if isinstance(each, StepsSample)]
    groups = list(dict.fromkeys((each.num_streams, each.contender) for each in steps))
    by_group = {
        group: [each for each in steps if (each.num_streams, each.contender) == group] for group in groups
    }
    return [
        *(figure for group in groups if group[1] != BARE for figure in _overhead(by_group, *group)),
        *_memory(samples, by_group),
        *(figure for group, found in by_group.items() for figure in _own(found, _name(*group))),
    ]


def _name(num_streams: int, contender: str) -> str:
    return f"{contender}/{num_streams}"


def _own(found: list[StepsSample], group: str) -> Iterator[Figure]:
    rates = [each.tokens_per_second for each in found]
    yield measured("decode_tokens_per_second", "tok/s", rates, group=group, higher_is_better=True)
    for name, values in (
        ("step_seconds.p50", [each.step_p50_s for each in found]),
        ("step_seconds.p95", [each.step_p95_s for each in found]),
    ):
        yield measured(name, "s", values, group=group, higher_is_better=False)


def _overhead(
    groups: dict[tuple[int, str], list[StepsSample]], num_streams: int, contender: str
) -> Iterator[Figure]:
    group = _name(num_streams, contender)
    bare = {each.round: each for each in groups.get((num_streams, BARE), [])}
    pairs = [(each, bare[each.round]) for each in groups[num_streams, contender] if each.round in bare]
    if not pairs:
        yield not_measured("overhead_ratio", "", "no round has both", group=group, higher_is_better=True)
        return
    ratio = ratio_of_pairs([a.tokens_per_second for a, _ in pairs], [b.tokens_per_second for _, b in pairs])
    yield of_interval("overhead_ratio", "", ratio, group=group, higher_is_better=True)
    lost = [a.step_p50_s - b.step_p50_s for a, b in pairs]
    yield measured("overhead_seconds", "s", lost, group=group, higher_is_better=False)


def _memory(samples: Sequence[Sample], groups: dict[tuple[int, str], list[StepsSample]]) -> Iterator[Figure]:
    sizes = next((each for each in samples if isinstance(each, BytesSample)), None)
    best = best_bandwidth([each for each in samples if isinstance(each, BandwidthSample)])
    if sizes is None or not best:
        yield not_measured("bandwidth_share", "", "the memory's bandwidth was not measured")
        return
    bandwidth = statistics.median(best.values())
    threads = next(each.threads for each in samples if isinstance(each, BandwidthSample))
    values = list(best.values())
    yield measured("memory_bandwidth", "B/s", values, group=f"{threads} threads", higher_is_better=True)
    for (num_streams, contender), found in groups.items():
        read = bytes_per_step(sizes, found[0])
        shares = [read * each.tokens_per_second / num_streams / bandwidth for each in found]
        name = _name(num_streams, contender)
        yield measured("bandwidth_share", "", shares, group=name, higher_is_better=True)
        if contender == BARE:
            yield Figure("bytes_per_step", read, "B", str(num_streams))
            yield Figure("bytes_per_token", read / num_streams, "B", str(num_streams))


def bytes_per_step(sizes: BytesSample, steps: StepsSample) -> float:
    """Weights once, rows of the embedding table, and the cells that attention needs."""
    rows = sizes.row_bytes * steps.num_streams
    return sizes.weight_bytes + rows + sizes.kv_cell_bytes * steps.kv_cells


def best_bandwidth(readings: Sequence[BandwidthSample]) -> dict[int, float]:
    """The faster loop of each round, bytes a second."""
    best: dict[int, float] = {}
    for each in readings:
        best[each.round] = max(each.bytes_per_second, best.get(each.round, 0.0))
    return best
