"""Figures of the paper's experiment from its samples: one function a group of names."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from perf.paper.paper_samples import MIN_DECODE_TOKENS, MIN_PREFILL_TOKENS, Sample, Skipped, Started, Turn
from perf.record.make_figures import measured, not_measured, of_interval
from perf.record.result_schema import Figure
from perf.record.statistics_of_samples import (
    Interval,
    bootstrap_interval,
    coefficient_of_variation,
    percentile,
)

Part = Callable[[Turn], float]
_RATE = "tok/s"


def figures(model: str, samples: Iterable[Sample]) -> list[Figure]:
    """All figures of one model; `group` is its name. Empty when nothing was measured."""
    own = [sample for sample in samples if sample.model == model]
    turns = [sample for sample in own if isinstance(sample, Turn)]
    starts = [sample for sample in own if isinstance(sample, Started)]
    if not turns or not starts:
        return []
    num_skipped = sum(isinstance(sample, Skipped) for sample in own)
    return [
        *_speed(model, turns),
        *_stability(model, turns),
        *_start(model, starts),
        *_memory(model, turns, starts[-1]),
        *_board(model, turns, starts[-1]),
        *_energy(model, turns, starts[-1]),
        Figure("num_turns", len(turns), "", model),
        Figure("num_skipped_turns", num_skipped, "", model),
    ]


def _speed(model: str, turns: Sequence[Turn]) -> Iterator[Figure]:
    parts = _Parts(model, turns)
    yield parts.ratio("prefill_tokens_per_second", _RATE, _computed, _prefill_s, better=True)
    yield parts.ratio("decode_tokens_per_second", _RATE, _decoded, _decode_s, better=True)
    yield parts.ratio("seconds_per_token", "s", _end_s, _generated, better=False)
    yield parts.ratio("cached_tokens_share", "", _cached, _prompt, better=None)
    first = [turn.ttft_s for turn in turns if turn.ttft_s is not None]
    for percent in (50, 95):
        interval = partial(bootstrap_interval, statistic=partial(percentile, percent=percent))
        yield measured(f"ttft.p{percent}", "s", first, group=model, higher_is_better=False, interval=interval)


def _computed(turn: Turn) -> float:
    return turn.num_computed_tokens


def _prefill_s(turn: Turn) -> float:
    return turn.prefill_s


def _decoded(turn: Turn) -> float:
    # The first token is prefill's.
    return max(0, turn.num_completion_tokens - 1)


def _decode_s(turn: Turn) -> float:
    return turn.decode_s


def _generated(turn: Turn) -> float:
    return turn.num_completion_tokens


def _end_s(turn: Turn) -> float:
    return turn.end_s


def _cached(turn: Turn) -> float:
    return turn.num_cached_tokens


def _prompt(turn: Turn) -> float:
    return turn.num_prompt_tokens


class _Parts:
    """Ratios of sums over turns; an interval draws whole dialogues: their turns are not independent."""

    def __init__(self, model: str, turns: Sequence[Turn]) -> None:
        self._model = model
        self._dialogues: dict[str, list[Turn]] = {}
        for turn in turns:
            self._dialogues.setdefault(turn.dialogue, []).append(turn)

    def ratio(self, name: str, unit: str, above: Part, below: Part, *, better: bool | None) -> Figure:
        """Σ above ÷ Σ below; `better` is whether a higher one is."""
        sums = [(sum(map(above, turns)), sum(map(below, turns))) for turns in self._dialogues.values()]
        if not sum(part for _, part in sums):
            return not_measured(name, unit, "no turn has any", group=self._model, higher_is_better=better)
        return of_interval(name, unit, _interval(sums), group=self._model, higher_is_better=better)


def _interval(sums: Sequence[tuple[float, float]]) -> Interval:
    def share(numbers: Sequence[float]) -> float:
        drawn = [sums[int(number)] for number in numbers]
        total = sum(part for _, part in drawn)
        return sum(part for part, _ in drawn) / total if total else 0.0

    return bootstrap_interval([float(number) for number in range(len(sums))], share)


def _stability(model: str, turns: Sequence[Turn]) -> Iterator[Figure]:
    decode = [turn.decode_tokens_per_second for turn in turns if _generated(turn) >= MIN_DECODE_TOKENS]
    prefill = [turn.prefill_tokens_per_second for turn in turns if _computed(turn) >= MIN_PREFILL_TOKENS]
    yield _variation(model, "decode_cv", decode, f"{MIN_DECODE_TOKENS} tokens generated")
    yield _variation(model, "prefill_cv", prefill, f"{MIN_PREFILL_TOKENS} tokens computed")


def _variation(model: str, name: str, rates: Sequence[float | None], of_turns: str) -> Figure:
    known = [rate for rate in rates if rate is not None]
    value = coefficient_of_variation(known)
    if value is None:
        return not_measured(name, "", f"fewer than two turns with {of_turns}", group=model)
    note = f"over turns with at least {of_turns}"
    return Figure(name, value, "", model, num_samples=len(known), higher_is_better=False, note=note)


def _start(model: str, starts: Sequence[Started]) -> Iterator[Figure]:
    yield measured("load_seconds", "s", [each.load_s for each in starts], group=model, higher_is_better=False)


def _memory(model: str, turns: Sequence[Turn], started: Started) -> Iterator[Figure]:
    yield _plain(model, "peak_rss_bytes", "B", max(turn.reading.rss_bytes for turn in turns))
    known = [turn.reading.pss_bytes for turn in turns if turn.reading.pss_bytes is not None]
    if not known:
        why = started.not_measured.get("pss", "no sample")
        yield not_measured("peak_pss_bytes", "B", why, group=model, higher_is_better=False)
        yield not_measured("memory_share", "", why, group=model, higher_is_better=False)
        return
    yield _plain(model, "peak_pss_bytes", "B", max(known))
    yield _plain(model, "memory_share", "", max(known) / started.memory_total_bytes)


def _plain(model: str, name: str, unit: str, value: float, note: str = "") -> Figure:
    return Figure(name, value, unit, model, higher_is_better=False, note=note)


def _board(model: str, turns: Sequence[Turn], started: Started) -> Iterator[Figure]:
    wall = sum(turn.reading.wall_s for turn in turns)
    if wall:
        used = sum(turn.reading.cpu_s for turn in turns)
        yield _plain(model, "cpu_share", "", used / (wall * started.cores), f"of {started.cores} cores")
    degrees = [turn.reading.temperature_c for turn in turns if turn.reading.temperature_c is not None]
    yield _highest(model, "temperature.max", "°C", degrees, started.not_measured.get("temperature"))
    throttled = [float(turn.reading.throttled) for turn in turns if turn.reading.throttled is not None]
    yield _highest(model, "throttled", "", throttled, started.not_measured.get("throttling"))


def _highest(model: str, name: str, unit: str, values: Sequence[float], why: str | None) -> Figure:
    if not values:
        return not_measured(name, unit, why or "no sample", group=model, higher_is_better=False)
    return _plain(model, name, unit, max(values))


def _energy(model: str, turns: Sequence[Turn], started: Started) -> Iterator[Figure]:
    names = ("energy_per_token.gross", "energy_per_token.net")
    joules = [turn.reading.energy_j for turn in turns if turn.reading.energy_j is not None]
    tokens = sum(turn.num_completion_tokens for turn in turns)
    if len(joules) < len(turns) or not tokens:
        why = started.not_measured.get("energy", "the meter did not last the whole run")
        for name in names:
            yield not_measured(name, "J/token", why, group=model, higher_is_better=False)
        return
    yield _plain(model, names[0], "J/token", sum(joules) / tokens, started.energy_meter)
    if started.idle_w is None:
        yield not_measured(names[1], "J/token", "no idle power", group=model, higher_is_better=False)
        return
    wall = sum(turn.reading.wall_s for turn in turns)
    note = f"{started.energy_meter}, less {started.idle_w:.2f} W idle"
    yield _plain(model, names[1], "J/token", (sum(joules) - started.idle_w * wall) / tokens, note)
