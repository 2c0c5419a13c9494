"""From the measurements of each format to the figures of the summary."""

from collections.abc import Iterator, Sequence

from perf.record.make_figures import measured, not_measured, of_interval
from perf.record.result_schema import Figure
from perf.record.statistics_of_samples import Interval, wilson_interval
from xapp.backend.optimize.figures import Measured

PREFILL, DECODE = "prefill_tokens_per_second", "decode_tokens_per_second"
PEAK, PERPLEXITY, ACCURACY = "peak_rss_bytes", "perplexity", "accuracy"


def figures(found: Sequence[Measured]) -> list[Figure]:
    """Of every format, the source first."""
    return [figure for each in found for figure in _of(each, found[0])]


def _of(each: Measured, source: Measured) -> Iterator[Figure]:
    name = each.format
    if not each.complete:
        yield not_measured(DECODE, "tok/s", each.fault or "no round", group=name, higher_is_better=True)
        return
    yield Figure("size_bytes", float(each.size_bytes), "B", name, higher_is_better=False)
    yield Figure(PEAK, float(each.peak_bytes), "B", name, higher_is_better=False)
    yield measured(PREFILL, "tok/s", [one.prefill for one in each.rounds], group=name, higher_is_better=True)
    yield from _decodes(each)
    yield from _quality(each, source)


def _decodes(each: Measured) -> Iterator[Figure]:
    for count in each.rounds[0].decode:
        rates = [one.decode[count] for one in each.rounds]
        group = each.format if count == 1 else f"{each.format}/{count}"
        yield measured(DECODE, "tok/s", rates, group=group, higher_is_better=True)


def _quality(each: Measured, source: Measured) -> Iterator[Figure]:
    assert each.loss is not None
    assert source.loss is not None
    base, loss = source.loss.perplexity, each.loss
    ends = (None, None) if each is source else (loss.worse - loss.margin, loss.worse + loss.margin)
    low, high = (None if end is None else base * (1 + end) for end in ends)
    interval = Interval(loss.perplexity, low, high, 1)
    yield of_interval(PERPLEXITY, "", interval, group=each.format, higher_is_better=False)
    yield Figure("same_token_share", loss.agreement, "", each.format, higher_is_better=True)
    if each.right:
        right = wilson_interval(sum(each.right), len(each.right))
        yield of_interval(ACCURACY, "", right, group=each.format, higher_is_better=True)
