"""Decides whether a request comes in: places, the client's quota, and the deadline.

A request is refused while the node drains, when all places are taken, when the client has used up its
quota, and when it would miss its deadline (`deadline_check`). Nothing waits here: the decision is made before
the prompt is tokenized, and again with its tokens.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import monotonic

from xapp.admission.admitted_request import AdmittedRequest
from xapp.admission.averages import FIRST_GUESS_S, FinishRate, MeanBudget, RecentWait
from xapp.admission.budgets import Check, unlimited
from xapp.admission.deadline_check import DeadlineCheck
from xapp.admission.open_request import AdmissionRequest, OpenRequest, Prediction
from xapp.admission.policing import PolicedQuotas
from xapp.admission.predict import Predictor
from xapp.admission.quota import Charge, Charges, Quotas
from xapp.admission.turn import Order, Turns
from xapp.domain.answers import Finished
from xapp.domain.messages import Priority
from xapp.errors import DeadlineExceeded, Exhausted, Unavailable, XappError


class Admission:
    """The requests of one model, running and waiting together. `check_power` is that of `Budgets`.

    `capacity` of a class bounds the requests of this class and all higher classes together, so that lower
    classes take no place from higher classes.
    """

    def __init__(
        self,
        model: str,
        capacity: int,
        predictor: Predictor,
        quotas: Quotas | PolicedQuotas,
        *,
        by_deadline: bool = True,
        order: Order = "arrival",
        check_power: Check = unlimited,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._model = model
        self._quotas = quotas
        self._check_power = check_power
        self._clock = clock
        self._rate = FinishRate()
        self.turns = Turns(order)
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        self._open: Counter[Priority] = Counter()
        self._budget = MeanBudget()
        self.recent_wait_s = RecentWait(self.wait_s, clock)
        self.capacity = capacity
        self.predictor = predictor
        self.deadlines = DeadlineCheck(model, predictor, self._rate, clock, on=by_deadline)

    @property
    def num_open(self) -> int:
        """Requests of all classes."""
        return self._open.total()

    @property
    def budget_s(self) -> float:
        """Mean time from arrival to deadline, seconds, of the last requests that were admitted.

        A request that is refused has no say: callers could report any lateness with it.
        """
        return self._budget.mean_s

    def wait_s(self) -> float:
        """Predicted seconds that an ordinary request would wait for a slot now."""
        now = self._clock()
        return self.predictor.wait_s(AdmissionRequest(now, now + self.budget_s, 1, exact=True))

    @contextmanager
    def enter(self, request: AdmissionRequest, *, may_join: bool = False) -> Iterator[AdmittedRequest]:
        """Holds a place. `may_join`: the answer may be that of another request, so that the size says
        nothing yet.

        Raises Unavailable while draining, DeadlineExceeded when the deadline has already passed, Exhausted
        when all places are taken, the quota is used up, or the deadline cannot be met.
        """
        self._check_room(request)
        with self._hold(request) as charge:
            opened = self.predictor.open(request)
            if self.num_open and not may_join:
                self.deadlines.check_soonest(opened)
            self._open[request.priority] += 1
            self._idle.clear()
            self.predictor.open_requests.add(opened)
            try:
                yield AdmittedRequest(self, opened, charge)
            finally:
                self.predictor.open_requests.discard(opened)
                self._leave(request)

    @contextmanager
    def elsewhere(self, request: AdmissionRequest) -> Iterator[Charge | Charges]:
        """Counts a request that another node answers: it uses the client's quota, and takes no place.

        Raises as `enter` does.
        """
        self._check_open(request)
        with self._hold(request) as charge:
            yield charge

    def _hold(self, request: AdmissionRequest) -> AbstractContextManager[Charge | Charges]:
        return self._quotas.hold(request.client) if request.counted else nullcontext(Charges(()))

    def drain(self) -> None:
        """Refuses all requests from now on."""
        self._draining = True

    async def wait_idle(self) -> None:
        """Returns when no request is open."""
        await self._idle.wait()

    def refusal(self, opened: OpenRequest) -> tuple[Prediction, XappError | None]:
        """The prediction for a tokenized request, and the error that would refuse it now. Takes no place."""
        prediction = self.predictor.predict(opened)
        try:
            self._check_room(opened.request)
            self._quotas.check(opened.request.client)
            self.deadlines.check(opened, prediction)
            self._check_power(opened.request.priority, self.predictor.busy_s(opened))
        except XappError as error:
            return prediction, error
        return prediction, None

    def place(self, opened: OpenRequest) -> None:
        """Gives a tokenized request its turn. A critical request has the turn of its deadline."""
        if opened.request.priority is not Priority.CRITICAL:
            asked = opened.request
            opened.place(self.turns.turn(asked.arrival, asked.deadline, self.predictor.answer_s(opened)))

    def admit(self, opened: OpenRequest) -> None:
        """Raises Exhausted, reason DEADLINE_UNREACHABLE, or that of a budget of power. Without a judged
        deadline it only predicts what Estimate and budgets need.
        """
        if self.deadlines.on:
            self.deadlines.check(opened, self.predictor.predict(opened))
        else:
            self.predictor.expect(opened)
        self._check_power(opened.request.priority, self.predictor.busy_s(opened))
        self.note_budget(opened)

    def note_budget(self, opened: OpenRequest) -> None:
        """Counts the time to the deadline of a request that is admitted for good."""
        self._budget.record(opened.request.deadline - opened.request.arrival)

    def learn(self, opened: OpenRequest, finished: Finished | None) -> None:
        """Learns from the end of an admitted request."""
        outcome = self.predictor.learn(opened, finished)
        if outcome is None:
            return
        if outcome.whole and opened.max_tokens > 1:  # a Score has no length
            self.turns.learn(opened.num_at_first, outcome.num_tokens)
        self.deadlines.learned(opened, outcome)

    def predict_all(self) -> None:
        """Predicts all admitted requests again, after an admission."""
        if self.deadlines.on:
            self.predictor.predict_all()

    def _check_open(self, request: AdmissionRequest) -> None:
        if self._draining:
            raise Unavailable(f"{self._model} is draining", reason="DRAINING", retry_after_s=FIRST_GUESS_S)
        if request.deadline <= self._clock():
            raise DeadlineExceeded("the deadline had passed when the request arrived")

    def _check_room(self, request: AdmissionRequest) -> None:
        self._check_open(request)
        now = self._clock()
        above = sum(count for priority, count in self._open.items() if priority <= request.priority)
        if above >= self.capacity:
            raise Exhausted(
                f"{self._model} has {above} requests, running and waiting: no more are admitted"
                " (XAPP_SLOTS and XAPP_MAX_QUEUE are the limits)",
                retry_after_s=self._rate.seconds_each(now),
            )
        self._check_power(request.priority, 0.0)

    def _leave(self, request: AdmissionRequest) -> None:
        self._open[request.priority] -= 1
        self._rate.record(self._clock())
        if self.num_open == 0:
            self._idle.set()
