"""DeadlineCheck: refuses a request that would miss its deadline, or make another request miss its own.

A request that is predicted to be late may still come in as a probe (`probes`).
"""

from collections.abc import Callable

from xapp.admission.averages import FinishRate, sensible_s
from xapp.admission.corrections import HIGH
from xapp.admission.open_request import AdmissionRequest, OpenRequest, Prediction
from xapp.admission.outcome import Outcome
from xapp.admission.predict import Predictor
from xapp.admission.probes import Probes
from xapp.admission.residuals import GUESSES
from xapp.errors import Exhausted

DOUBT = 3.0
"""A request is no probe if even its best time exceeds the time to its deadline by this factor."""


class DeadlineCheck:
    """The deadlines of the requests of one model. It refuses nothing where it is not `on`.

    `rate` says when the next request ends. `clock` is monotonic.
    """

    def __init__(
        self, model: str, predictor: Predictor, rate: FinishRate, clock: Callable[[], float], *, on: bool
    ) -> None:
        self._model = model
        self._predictor = predictor
        self._rate = rate
        self._clock = clock
        self._probes = Probes()
        self.on = on

    def check(self, opened: OpenRequest, prediction: Prediction) -> None:
        """Raises Exhausted: DEADLINE_UNREACHABLE, or DEADLINE_TOO_SHORT where waiting cannot help."""
        if not self.on:
            return
        now = self._clock()
        if not opened.request.best_effort:
            self._check_end(opened, prediction.promise_s, now)
        if self._predictor.would_delay_others(opened, now):
            raise self._unreachable("another request would miss its deadline", self._rate.seconds_each(now))

    def check_soonest(self, opened: OpenRequest) -> None:
        """Refuses a hopeless request before the work of tokenizing."""
        if self.on and not opened.request.best_effort:
            self._check_end(opened, self._predictor.soonest_end_s(opened), self._clock())

    def in_time(self, request: AdmissionRequest, end_s: float) -> bool:
        """Whether an end in `end_s` seconds meets the deadline."""
        return request.best_effort or not self.on or end_s <= request.deadline - self._clock()

    def learned(self, opened: OpenRequest, outcome: Outcome) -> None:
        """Learns from the end of an admitted request whether the next probe may come in."""
        now = self._clock()
        self._probes.learned(now)
        if opened.probe and outcome.whole:
            self._probes.succeeded()
        elif opened.probe and self._predictor.is_alone(opened):  # otherwise the other requests made it late
            self._probes.failed(now)

    def _check_end(self, opened: OpenRequest, end_s: float, now: float) -> None:
        left_s = opened.request.deadline - now
        if end_s <= left_s:
            return
        alone = self._predictor.is_alone(opened)
        alone_s = self._predictor.alone_s(opened)
        wait_s = self._probes.wait_s(now, doubtful=alone_s * GUESSES[HIGH] <= left_s)
        if alone and wait_s == 0 and self._predictor.least_s(opened) <= DOUBT * left_s:
            opened.probe = True
            return
        what = f"it would take {end_s:.2f} s, and its deadline is in {left_s:.2f} s"
        if alone_s > left_s:
            text = f"{self._model}: {what}; it would be late on an idle node as well"
            raise Exhausted(text, reason="DEADLINE_TOO_SHORT")
        raise self._unreachable(what, sensible_s(wait_s if alone else end_s - left_s))

    def _unreachable(self, what: str, retry_after_s: float) -> Exhausted:
        return Exhausted(f"{self._model}: {what}", reason="DEADLINE_UNREACHABLE", retry_after_s=retry_after_s)
