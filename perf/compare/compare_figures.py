"""From samples to the figures of the summary: middles of each target, ratios of paired rounds."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from perf.compare.compare_samples import (
    ECHO,
    ArrivalsSample,
    DecodeSample,
    MixedSample,
    Sample,
    SharedPrefixSample,
    SoloSample,
)
from perf.record.make_figures import not_measured, of_interval
from perf.record.result_schema import Figure
from perf.record.statistics_of_samples import Interval, ratio_of_pairs, t_interval

GAP_BOUND_S = 0.150
GAP_BOUND_STEPS = 3
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
        case SoloSample():
            return f"solo-{sample.prompt_tokens}"
        case ArrivalsSample():
            return "staggered" if sample.interval_s else f"burst-{sample.num_requests}"
        case MixedSample():
            return "mixed"
        case SharedPrefixSample():
            return "shared-prefix"


def _rate(sample: Sample) -> float | None:
    return sample.decode_tokens_per_second if isinstance(sample, DecodeSample | SoloSample) else None


def _output(sample: Sample) -> float | None:
    return sample.output_tokens_per_second if isinstance(sample, DecodeSample | ArrivalsSample) else None


def _itl(sample: Sample) -> float | None:
    return sample.itl_p50_s if isinstance(sample, DecodeSample | SoloSample) else None


def _ttft(sample: Sample) -> float | None:
    match sample:
        case DecodeSample() | ArrivalsSample():
            return statistics.fmean(sample.ttft_s)
        case MixedSample() | SoloSample():
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
    return None if isinstance(sample, SharedPrefixSample | SoloSample) else sample.worst_gap_s


def _to_alone(sample: Sample) -> float | None:
    return sample.ttft_s / sample.alone_ttft_s if isinstance(sample, MixedSample) else None


def _step(sample: Sample) -> float | None:
    return sample.decode_step_s if isinstance(sample, MixedSample) else None


def _gap_bound(sample: Sample) -> float | None:
    step = _step(sample)
    return None if step is None else (_gap(sample) or 0.0) / max(GAP_BOUND_S, GAP_BOUND_STEPS * step)


def _server_cpu(sample: Sample) -> float | None:
    return _per_token(sample, sample.costs.server_cpu_s)


def _front_cpu(sample: Sample) -> float | None:
    return _per_token(sample, sample.costs.front_cpu_s)


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
    Quantity("itl_p50", "s", _itl, "itl_p50_ratio"),
    Quantity("ttft", "s", _ttft, "ttft_ratio"),
    Quantity("alone_ttft", "s", _alone, "alone_ttft_ratio"),
    Quantity("ttft_to_alone", "", _to_alone),
    Quantity("cold_ttft", "s", _cold, "cold_ttft_ratio"),
    Quantity("end_to_end", "s", _end, "end_to_end_ratio"),
    Quantity("worst_gap_seconds", "s", _gap, "worst_gap_ratio"),
    Quantity("decode_step_seconds", "s", _step),
    Quantity("gap_bound_ratio", "", _gap_bound),
    Quantity("server_cpu_per_token", "s", _server_cpu, "server_cpu_ratio"),
    Quantity("front_cpu_per_token", "s", _front_cpu),
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
        *(figure for load in loads for peer in targets if peer not in {ours, ECHO}
          for figure in _ratios(_of(samples, load, ours), _of(samples, load, peer), f"{peer}/{load}")),
        *(figure for load in loads
          for figure in _over_echo(_of(samples, load, ours), _of(samples, load, ECHO), f"{ours}/{load}")),
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
            why = _why_no_rate([*ours, *theirs])
            yield not_measured(quantity.ratio, "", why, group=group, higher_is_better=True)


def _why_no_rate(samples: list[Sample]) -> str:
    apart = {each.target for each in samples if isinstance(each, DecodeSample) and not each.overlapping}
    if not apart:
        return "no round has both"
    return f"the streams of {' and '.join(sorted(apart))} did not all run at the same time"


def _over_echo(ours: list[Sample], echo: list[Sample], group: str) -> Iterator[Figure]:
    """What the serving process costs beyond gRPC itself, a token."""
    if pairs := _pairs(_front_cpu, ours, echo):
        found = t_interval([a - b for a, b in pairs])
        yield of_interval("front_cpu_over_echo", "s", found, group=group, higher_is_better=False)


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
