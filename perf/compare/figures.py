"""From samples to the figures of the summary: middles of each target, ratios of paired rounds."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from perf.compare.samples import DecodeSample, MixedSample, Sample, SharedPrefixSample
from perf.record.figures import not_measured, of_interval
from perf.record.schema import Figure
from perf.record.stats import Interval, ratio_of_pairs

Value = Callable[[Sample], float | None]


@dataclass(frozen=True, slots=True)
class Quantity:
    """One figure of a load, and the name of its ratio, None where a ratio says nothing."""

    name: str
    unit: str
    of: Value
    ratio: str | None = None
    higher_is_better: bool | None = False


def load_name(sample: Sample) -> str:
    """As in a figure's group."""
    match sample:
        case DecodeSample():
            return f"decode-{sample.num_streams}"
        case MixedSample():
            return "mixed"
        case SharedPrefixSample():
            return "shared-prefix"


def _rate(sample: Sample) -> float | None:
    return sample.decode_tokens_per_second if isinstance(sample, DecodeSample) else None


def _output(sample: Sample) -> float | None:
    return sample.output_tokens_per_second if isinstance(sample, DecodeSample) else None


def _ttft(sample: Sample) -> float | None:
    match sample:
        case DecodeSample():
            return statistics.fmean(sample.ttft_s)
        case MixedSample():
            return sample.ttft_s
        case SharedPrefixSample():
            return max(sample.ttft_s)


def _alone(sample: Sample) -> float | None:
    return sample.alone_ttft_s if isinstance(sample, MixedSample) else None


def _cold(sample: Sample) -> float | None:
    return sample.cold_ttft_s if isinstance(sample, SharedPrefixSample) else None


def _end(sample: Sample) -> float | None:
    return sample.costs.wall_s if isinstance(sample, DecodeSample) else None


def _gap(sample: Sample) -> float | None:
    return None if isinstance(sample, SharedPrefixSample) else sample.worst_gap_s


def _server_cpu(sample: Sample) -> float | None:
    return _per_token(sample, sample.costs.server_cpu_s)


def _client_cpu(sample: Sample) -> float | None:
    return _per_token(sample, sample.costs.client_cpu_s)


def _per_token(sample: Sample, cost: float | None) -> float | None:
    """Of steady decoding only: elsewhere prompts cost the most, and streams are cut short."""
    return cost / sample.num_tokens if cost is not None and isinstance(sample, DecodeSample) else None


def _client_share(sample: Sample) -> float | None:
    return sample.costs.client_cpu_s / sample.costs.wall_s


def _memory(sample: Sample) -> float | None:
    return None if sample.costs.pss_bytes is None else sum(sample.costs.pss_bytes.values())


def _wire(sample: Sample) -> float | None:
    costs = sample.costs
    if costs.wire_bytes_sent is None or costs.wire_bytes_received is None:
        return None
    return _per_token(sample, costs.wire_bytes_sent + costs.wire_bytes_received)


QUANTITIES = (
    Quantity("decode_tokens_per_second", "tok/s", _rate, "decode_ratio", higher_is_better=True),
    Quantity("output_tokens_per_second", "tok/s", _output, "output_ratio", higher_is_better=True),
    Quantity("ttft", "s", _ttft, "ttft_ratio"),
    Quantity("alone_ttft", "s", _alone, "alone_ttft_ratio"),
    Quantity("cold_ttft", "s", _cold, "cold_ttft_ratio"),
    Quantity("end_to_end", "s", _end, "end_to_end_ratio"),
    Quantity("worst_gap_seconds", "s", _gap, "worst_gap_ratio"),
    Quantity("server_cpu_per_token", "s", _server_cpu, "server_cpu_ratio"),
    Quantity("client_cpu_per_token", "s", _client_cpu),
    Quantity("client_cpu_share", "of one core", _client_share),
    Quantity("pss_bytes", "B", _memory, "pss_ratio"),
    Quantity("wire_bytes_per_token", "B", _wire, "wire_bytes_ratio"),
)


def summary(samples: Sequence[Sample], ours: str) -> list[Figure]:
    """Ratios first, then each target's own figures. `ours` is the target that the ratios are of."""
    loads = list(dict.fromkeys(map(load_name, samples)))
    targets = list(dict.fromkeys(sorted((each.target for each in samples), key=lambda name: name != ours)))
    return [
        *(figure for load in loads for peer in targets if peer != ours
          for figure in _ratios(_of(samples, load, ours), _of(samples, load, peer), f"{peer}/{load}")),
        *(figure for load in loads for target in targets
          for figure in _values(_of(samples, load, target), f"{target}/{load}")),
    ]  # fmt: skip


def _of(samples: Sequence[Sample], load: str, target: str) -> list[Sample]:
    return [each for each in samples if each.target == target and load_name(each) == load]


def _ratios(ours: list[Sample], theirs: list[Sample], group: str) -> Iterator[Figure]:
    for quantity in QUANTITIES:
        if quantity.ratio is None:
            continue
        pairs = _pairs(quantity.of, ours, theirs)
        if pairs:
            found = ratio_of_pairs(*map(list, zip(*pairs, strict=True)))
            yield of_interval(
                quantity.ratio, "", found, group=group, higher_is_better=quantity.higher_is_better
            )
        elif quantity.ratio == "decode_ratio" and any(isinstance(each, DecodeSample) for each in ours):
            yield not_measured(quantity.ratio, "", "no round has both", group=group, higher_is_better=True)


def _pairs(of: Value, ours: list[Sample], theirs: list[Sample]) -> list[tuple[float, float]]:
    """Rounds that have both, where both are above zero."""
    above, below = ({each.round: of(each) for each in side} for side in (ours, theirs))
    found = ((above[number], below[number]) for number in above.keys() & below.keys())
    return [(a, b) for a, b in found if a and b]


def _values(samples: list[Sample], group: str) -> Iterator[Figure]:
    for quantity in QUANTITIES:
        values = [value for each in samples if (value := quantity.of(each)) is not None]
        if values:
            found = Interval(statistics.median(values), num_samples=len(values))
            yield of_interval(
                quantity.name,
                quantity.unit,
                found,
                group=group,
                higher_is_better=quantity.higher_is_better,
            )
