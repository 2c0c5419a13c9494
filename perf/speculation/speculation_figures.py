"""From samples to the figures of the summary."""

from collections.abc import Iterator, Sequence
from math import exp, log
from statistics import fmean, median

from perf.record.make_figures import measured
from perf.record.result_schema import Figure
from perf.speculation.speculation_run import PLAIN
from perf.speculation.speculation_samples import (
    PartingSample,
    PlaySample,
    PredictionSample,
    PriceSample,
    Sample,
)


def summary(samples: Sequence[Sample]) -> list[Figure]:
    """The price of a step, then the speeds by category, then the answers that parted."""
    plays = [each for each in samples if isinstance(each, PlaySample)]
    return [
        *_prices([each for each in samples if isinstance(each, PriceSample)]),
        *_speeds(plays),
        *_predictions([each for each in samples if isinstance(each, PredictionSample)]),
        *_partings(plays, [each for each in samples if isinstance(each, PartingSample)]),
    ]


def _prices(samples: list[PriceSample]) -> Iterator[Figure]:
    one = {each.round: each.seconds for each in samples if each.rows == 1}
    for rows in sorted({each.rows for each in samples}):
        ratios = [each.seconds / one[each.round] for each in samples if each.rows == rows]
        yield Figure(
            "step_price", median(ratios), "", f"{rows} rows", num_samples=len(ratios), higher_is_better=False
        )


def _speeds(plays: list[PlaySample]) -> Iterator[Figure]:
    for key in sorted({(each.category, each.streams, each.strategy) for each in plays}):
        some = [each for each in plays if (each.category, each.streams, each.strategy) == key]
        group = "/".join(map(str, key))
        rates = [each.num_tokens / each.seconds for each in some if each.seconds]
        yield measured("decode_tokens_per_second", "tok/s", rates, group=group, higher_is_better=True)
        if key[2] == PLAIN:
            continue
        if ratios := _ratios(some, plays):
            value = exp(fmean(map(log, ratios)))
            yield Figure(
                "speedup", value, "", group, num_samples=len(ratios), higher_is_better=True,
                minimum=min(ratios), maximum=max(ratios),
            )  # fmt: skip
        if drafted := sum(each.num_drafted for each in some):
            rate = sum(each.num_accepted for each in some) / drafted
            yield Figure("acceptance_rate", rate, "", group, num_samples=drafted, higher_is_better=True)


def _ratios(some: list[PlaySample], plays: list[PlaySample]) -> list[float]:
    """For each group of prompts: the median rate over the rounds ÷ that of plain."""
    found = []
    for number in sorted({each.group for each in some}):
        first = some[0]
        plain = [
            each for each in plays
            if (each.category, each.streams, each.strategy, each.group)
            == (first.category, first.streams, PLAIN, number)
        ]  # fmt: skip
        mine = _rate([each for each in some if each.group == number])
        if mine and (theirs := _rate(plain)):
            found.append(mine / theirs)
    return found


def _rate(plays: list[PlaySample]) -> float:
    return median([each.num_tokens / each.seconds for each in plays if each.seconds] or [0.0])


def _predictions(samples: list[PredictionSample]) -> Iterator[Figure]:
    for category, node in sorted({(each.category, each.node) for each in samples}):
        some = [each.speedup for each in samples if (each.category, each.node) == (category, node)]
        value = exp(fmean(map(log, some)))
        yield Figure(
            "predicted_speedup", value, "", f"{category}/{node}", num_samples=len(some), higher_is_better=True
        )


def _partings(plays: list[PlaySample], partings: list[PartingSample]) -> Iterator[Figure]:
    for strategy in sorted({each.strategy for each in plays} - {PLAIN}):
        mine = [each for each in partings if each.strategy == strategy]
        total = sum(each.streams for each in plays if each.strategy == strategy)
        yield Figure(
            "parted_answers", len(mine), "", strategy, num_samples=total, note=f"of {total}",
            higher_is_better=False,
        )  # fmt: skip
        if mine:
            worst = max(abs(each.margin) for each in mine)
            yield Figure("parting_margin", worst, "", strategy, num_samples=len(mine), higher_is_better=False)
