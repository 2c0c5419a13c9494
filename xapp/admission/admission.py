"""Decides whether a request comes in: places, the client's quota, and the deadline.

A request is refused while the node drains, when all places are taken, when the client has used up its
quota, and when it would miss its deadline. A request that is predicted to be late may still come in as a
probe (`probes`). Nothing waits here: the decision is made before the prompt is tokenized, and again with
its tokens.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import monotonic

import msgspec

from xapp.admission.averages import FIRST_GUESS_S, FinishRate, MeanBudget, RecentWait, sensible_s
from xapp.admission.budgets import Check, unlimited
from xapp.admission.open_request import AdmissionRequest, OpenRequest, Prediction
from xapp.admission.policing import PolicedQuotas
from xapp.admission.predict import HIGH, MEDIAN, Predictor
from xapp.admission.probes import Probes
from xapp.admission.quota import Charge, Charges, Quotas
from xapp.admission.residuals import GUESSES
from xapp.admission.turn import Order, Turns
from xapp.domain.answers import Finished
from xapp.domain.messages import Priority, Submit
from xapp.errors import DeadlineExceeded, Exhausted, Unavailable, XappError
from xapp.workers.token_stream import TokenStream

DOUBT = 3.0
"""A request is no probe if even its best time exceeds the time to its deadline by this factor."""


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
        self._by_deadline = by_deadline
        self._check_power = check_power
        self._clock = clock
        self._rate = FinishRate()
        self._probes = Probes()
        self.turns = Turns(order)
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        self._open: Counter[Priority] = Counter()
        self._budget = MeanBudget()
        self.recent_wait_s = RecentWait(self.wait_s, clock)
        self.capacity = capacity
        self.predictor = predictor

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
    def enter(self, request: AdmissionRequest, *, may_join: bool = False) -> Iterator["AdmittedRequest"]:
        """Holds a place. `may_join`: the answer may be that of another request, so that the size says
        nothing yet.

        Raises Unavailable while draining, DeadlineExceeded when the deadline has already passed, Exhausted
        when all places are taken, the quota is used up, or the deadline cannot be met.
        """
        self._check_room(request)
        with self._hold(request) as charge:
            opened = self.predictor.open(request)
            if not may_join:
                self._check_soonest(opened)
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
            self.check_deadline(opened, prediction)
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
        if self._by_deadline:
            self.check_deadline(opened, self.predictor.predict(opened))
        else:
            self.predictor.expect(opened)
        self._check_power(opened.request.priority, self.predictor.busy_s(opened))
        self.note_budget(opened)

    def note_budget(self, opened: OpenRequest) -> None:
        """Counts the time to the deadline of a request that is admitted for good."""
        self._budget.record(opened.request.deadline - opened.request.arrival)

    def check_deadline(self, opened: OpenRequest, prediction: Prediction) -> None:
        """Raises Exhausted: DEADLINE_UNREACHABLE, or DEADLINE_TOO_SHORT where waiting cannot help."""
        if not self._by_deadline:
            return
        now = self._clock()
        if not opened.request.best_effort:
            self._check_end(opened, prediction.promise_s, now)
        if self.predictor.would_delay_others(opened, now):
            raise self._unreachable("another request would miss its deadline", self._rate.seconds_each(now))

    def learn(self, opened: OpenRequest, finished: Finished | None) -> None:
        """Learns from the end of an admitted request."""
        outcome = self.predictor.learn(opened, finished)
        if outcome is None:
            return
        if outcome.whole and opened.max_tokens > 1:  # a Score has no length
            self.turns.learn(opened.num_at_first, outcome.num_tokens)
        self._probes.learned(self._clock())
        if opened.probe and outcome.whole:
            self._probes.succeeded()
        elif opened.probe and self.predictor.is_alone(opened):  # otherwise the other requests made it late
            self._probes.failed(self._clock())

    def predict_all(self) -> None:
        """Predicts all admitted requests again, after an admission."""
        if self._by_deadline:
            self.predictor.predict_all()

    def in_time(self, request: AdmissionRequest, end_s: float) -> bool:
        """Whether an end in `end_s` seconds meets the deadline."""
        return request.best_effort or not self._by_deadline or end_s <= request.deadline - self._clock()

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

    def _check_soonest(self, opened: OpenRequest) -> None:
        """Refuses hopeless requests before the work of tokenizing."""
        if self._by_deadline and self.num_open and not opened.request.best_effort:
            self._check_end(opened, self.predictor.soonest_end_s(opened), self._clock())

    def _check_end(self, opened: OpenRequest, end_s: float, now: float) -> None:
        left_s = opened.request.deadline - now
        if end_s <= left_s:
            return
        alone = self.predictor.is_alone(opened)
        alone_s = self.predictor.alone_s(opened)
        wait_s = self._probes.wait_s(now, doubtful=alone_s * GUESSES[HIGH] <= left_s)
        if alone and wait_s == 0 and self.predictor.least_s(opened) <= DOUBT * left_s:
            opened.probe = True
            return
        what = f"it would take {end_s:.2f} s, and its deadline is in {left_s:.2f} s"
        if alone_s > left_s:
            text = f"{self._model}: {what}; it would be late on an idle node as well"
            raise Exhausted(text, reason="DEADLINE_TOO_SHORT")
        raise self._unreachable(what, sensible_s(wait_s if alone else end_s - left_s))

    def _unreachable(self, what: str, retry_after_s: float) -> Exhausted:
        return Exhausted(f"{self._model}: {what}", reason="DEADLINE_UNREACHABLE", retry_after_s=retry_after_s)

    def _leave(self, request: AdmissionRequest) -> None:
        self._open[request.priority] -= 1
        self._rate.record(self._clock())
        if self.num_open == 0:
            self._idle.set()


class AdmittedRequest:
    """The place of an admitted request. It is first `tokenized`, or will `join` another request's answer.
    Then it is `following` its stream.

    `finished` is the last event, if there is one. Later predictions learn from it.
    """

    def __init__(self, admission: Admission, opened: OpenRequest, charge: Charge | Charges) -> None:
        self._admission = admission
        self._predictor = admission.predictor
        self._opened = opened
        self._charge = charge
        self.finished: Finished | None = None

    def tokenized(self, prompt: list[int], max_tokens: int) -> None:
        """Checks the deadline again with the known size. Raises Exhausted as `check_deadline` does."""
        opened = self._opened
        self._predictor.tokenized(opened, prompt, max_tokens)
        self._admission.place(opened)
        self._admission.admit(opened)
        self._charge.set(len(prompt) + opened.num_expected)

    def placed(self, submit: Submit) -> Submit:
        """The request for the worker with its turn."""
        turn = self._opened.turn
        return submit if turn is None else msgspec.structs.replace(submit, turn=turn)

    def in_time_with(self, computed: "AdmittedRequest") -> bool:
        """Whether the answer of `computed` is predicted to end before this request's deadline."""
        left_s = self._predictor.left_s(computed._opened, excluding=self._opened)
        return self._admission.in_time(self._opened.request, left_s)

    def join(self, computed: "AdmittedRequest") -> None:
        """Takes the answer of `computed`. The request is no load, but keeps its place and pays its quota."""
        self._admission.note_budget(self._opened)
        self._predictor.joined(self._opened, computed._opened)
        self._charge.set(self._opened.num_prompt + self._predictor.num_tokens(computed._opened, MEDIAN))

    def succeed(self) -> None:
        """Represents the joined computation in predictions from now on: the request before it has left."""
        self._predictor.open_requests.add(self._opened)

    @contextmanager
    def following(self, stream: TokenStream) -> Iterator[None]:
        """The worker has the request and `stream` shows its progress. At the end its tokens are charged."""
        opened = self._opened
        if stream.joined_at is None:
            self._predictor.submitted(opened, stream)
            self._admission.predict_all()
        try:
            yield
        finally:
            self._charge.set(opened.num_prompt + stream.num_tokens)
            self._admission.learn(opened, self.finished)
