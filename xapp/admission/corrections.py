"""Corrections: what a predictor makes of its recent errors.

An expectation is multiplied by the recent ratio of actual to simulated times. A promise gets a margin for the
error of the simulation about known requests.
"""

from collections.abc import Callable

from xapp.admission.open_request import Foresight, OpenRequest, Times
from xapp.admission.outcome import Outcome
from xapp.admission.residuals import Key, Residuals

MEDIAN, HIGH = 0.5, 0.95
"""The quantiles of predictions."""
SHORT_S = 0.2
"""Shorter times are not compared: they say little of the quality of predictions."""
_PROMISE = Key("promise")


class Corrections:
    """`clock` is monotonic, `price` returns the present price of a step."""

    def __init__(self, clock: Callable[[], float], price: Callable[[], float]) -> None:
        self._residuals = Residuals(clock, price)

    @property
    def leeway(self) -> float:
        """Factor between a promise and its simulation.

        It is 1 at least. The learned errors are those of the last simulation of a request, often just before
        its end, when the tokens of the present step are not known yet: then the end comes early. Applied to a
        long wait, such an error would admit requests that all end just behind their deadlines.
        """
        return max(1.0, self._residuals.factor(_PROMISE, HIGH))

    def corrected(self, opened: OpenRequest, times: Times, share: float) -> Times:
        """Simulated times as an expectation at that quantile."""
        until_first = self._residuals.factor(_key(opened, "first"), share)
        after = self._residuals.factor(_key(opened, "rest"), share)
        first_s = times.first_s * until_first
        return Times(times.queue_s * until_first, first_s, first_s + (times.end_s - times.first_s) * after)

    def learn(self, opened: OpenRequest, outcome: Outcome, expected: Times) -> None:
        """Compares the end of a request with its expectation and its last promise."""
        self._learn_times(opened, outcome, expected)
        if opened.probe and outcome.whole:
            # The promises expected it to be late. It may be one of many late requests, but it is the latest.
            self._residuals.doubt(_PROMISE)
        if opened.foresight is not None:
            self._learn_promise(opened.request.arrival, outcome, opened.foresight)

    def _learn_times(self, opened: OpenRequest, outcome: Outcome, expected: Times) -> None:
        # A request that was cut before its first token would have waited for that token even longer.
        if outcome.num_tokens or outcome.whole or outcome.first_s > expected.first_s:
            self._residuals.record(_key(opened, "first"), expected.first_s, outcome.first_s)
        if opened.num_expected > 1 and outcome.num_tokens > 1:
            # Seconds for each token: the length of the answer is learned elsewhere.
            each_s = (expected.end_s - expected.first_s) / (opened.num_expected - 1)
            actual_s = (outcome.end_s - outcome.first_s) / (outcome.num_tokens - 1)
            self._residuals.record(_key(opened, "rest"), each_s, actual_s)

    def _learn_promise(self, arrival: float, outcome: Outcome, foresight: Foresight) -> None:
        took_s = arrival + outcome.plain_end_s - foresight.at
        foreseen_s = foresight.end_s_with(outcome.num_tokens) if outcome.whole else foresight.end_s
        if foreseen_s >= SHORT_S and (outcome.whole or took_s > foreseen_s):
            self._residuals.record(_PROMISE, foreseen_s, took_s)


def _key(opened: OpenRequest, part: str) -> Key:
    """Predictions of similar urgency, with a similar number of other requests, err alike."""
    return Key((opened.request.priority, part), opened.num_others.bit_length())
