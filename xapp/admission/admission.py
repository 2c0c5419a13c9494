"""Who may come in: not while it drains, only so many at once, within the client's quota, and only who can
be served before the deadline, or shows what the node can do now (`probes`).

All of it is decided without waiting for anything: first from what is known before the prompt is
tokenized, then once more from its tokens.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from xapp.admission.predict import HIGH, MEDIAN, Predictor
from xapp.admission.probes import Probes
from xapp.admission.quota import Charge, Quotas
from xapp.admission.residuals import GUESSES
from xapp.admission.tickets import Ask, Prediction, Ticket
from xapp.domain.answers import Finished
from xapp.domain.messages import Priority
from xapp.errors import DeadlineExceeded, Exhausted, Unavailable, XappError
from xapp.workers.token_stream import TokenStream

RATE_WINDOW_S = 60.0
MAX_REMEMBERED = 256
MIN_RETRY_S = 0.1
MAX_RETRY_S = 60.0
FIRST_GUESS_S = 1.0
DOUBT = 3.0
"""What would take more than so many times what its deadline leaves, at the very best, is no probe."""


class FinishRate:
    """How often a place gets free, from the last minute."""

    def __init__(self) -> None:
        self._finished: deque[float] = deque(maxlen=MAX_REMEMBERED)

    def record(self, now: float) -> None:
        """A place got free."""
        self._finished.append(now)

    def seconds_each(self, now: float) -> float:
        """Mean time between two, 0.1 to 60 s; 1 s when too little was seen to tell."""
        recent = [at for at in self._finished if now - at <= RATE_WINDOW_S]
        if len(recent) < 2:
            return FIRST_GUESS_S
        # The time since the last one counts as well: a model that has stalled frees no places.
        return _sensible((now - recent[0]) / len(recent))


class Admission:
    """The requests of one model, running and waiting together.

    Up to `capacity` of a class and those above it: lower classes take no place from higher ones.
    """

    def __init__(
        self,
        model: str,
        capacity: int,
        predictor: Predictor,
        quotas: Quotas,
        *,
        by_deadline: bool = True,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._model = model
        self._quotas = quotas
        self._by_deadline = by_deadline
        self._clock = clock
        self._rate = FinishRate()
        self._probes = Probes()
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        self._open: Counter[Priority] = Counter()
        self.capacity = capacity
        self.predictor = predictor

    @property
    def num_open(self) -> int:
        """Requests of all classes."""
        return self._open.total()

    @contextmanager
    def enter(self, ask: Ask, *, may_join: bool = False) -> Iterator["Place"]:
        """Holds a place. Of one that may join another's answer only its tokens can tell how long it takes.

        Raises Unavailable while draining, DeadlineExceeded when the deadline has passed already, Exhausted
        when all places are taken, the quota is used up, or the deadline cannot be met.
        """
        self._check_room(ask)
        with self._quotas.hold(ask.client) as charge:
            ticket = self.predictor.ticket(ask)
            if not may_join:
                self._check_soonest(ticket)
            self._open[ask.priority] += 1
            self._idle.clear()
            self.predictor.tickets.add(ticket)
            try:
                yield Place(self, ticket, charge)
            finally:
                self.predictor.tickets.discard(ticket)
                self._leave(ask)

    def drain(self) -> None:
        """Lets nobody in from now on."""
        self._draining = True

    async def wait_idle(self) -> None:
        """Returns when nobody is in."""
        await self._idle.wait()

    def refusal(self, ticket: Ticket) -> tuple[Prediction, XappError | None]:
        """What is predicted of a tokenized request, and why it would not be let in now; takes nothing."""
        prediction = self.predictor.predict(ticket)
        try:
            self._check_room(ticket.ask)
            self._quotas.check(ticket.ask.client)
            self.check_deadline(ticket, prediction)
        except XappError as error:
            return prediction, error
        return prediction, None

    def admit(self, ticket: Ticket) -> None:
        """Raises Exhausted, reason DEADLINE_UNREACHABLE. Where no deadline is judged, only looks so far ahead
        as Estimate learns from.
        """
        if self._by_deadline:
            self.check_deadline(ticket, self.predictor.predict(ticket))
        else:
            self.predictor.expect(ticket)

    def check_deadline(self, ticket: Ticket, prediction: Prediction) -> None:
        """Raises Exhausted: DEADLINE_UNREACHABLE, or DEADLINE_TOO_SHORT where waiting does not help."""
        if not self._by_deadline:
            return
        now = self._clock()
        if not ticket.ask.best_effort:
            self._check_end(ticket, prediction.promise_s, now)
        if self.predictor.harms(ticket, now):
            raise self._unreachable("another request would miss its deadline", self._rate.seconds_each(now))

    def learn(self, ticket: Ticket, finished: Finished | None) -> None:
        """How one that was let in ended."""
        outcome = self.predictor.learn(ticket, finished)
        if outcome is None:
            return
        self._probes.learned(self._clock())
        if ticket.probe and outcome.whole:
            self._probes.succeeded()
        elif ticket.probe and self.predictor.is_alone(ticket):  # else it was late for their sake
            self._probes.failed(self._clock())

    def foresee(self) -> None:
        """Once one more was let in."""
        if self._by_deadline:
            self.predictor.foresee()

    def in_time(self, ask: Ask, end_s: float) -> bool:
        """Whether an end in so many seconds will do."""
        return ask.best_effort or not self._by_deadline or end_s <= ask.deadline - self._clock()

    def _check_room(self, ask: Ask) -> None:
        now = self._clock()
        if self._draining:
            raise Unavailable(f"{self._model} is draining", reason="DRAINING", retry_after_s=FIRST_GUESS_S)
        if ask.deadline <= now:
            raise DeadlineExceeded("the deadline had passed when the request arrived")
        above = sum(count for priority, count in self._open.items() if priority <= ask.priority)
        if above >= self.capacity:
            raise Exhausted(
                f"{self._model} has {above} requests, running and waiting: no more are taken"
                " (XAPP_SLOTS and XAPP_MAX_QUEUE say how many)",
                retry_after_s=self._rate.seconds_each(now),
            )

    def _check_soonest(self, ticket: Ticket) -> None:
        """Spares hopeless requests, and the thread, the work of tokenizing."""
        if self._by_deadline and self.num_open and not ticket.ask.best_effort:
            self._check_end(ticket, self.predictor.soonest_end_s(ticket), self._clock())

    def _check_end(self, ticket: Ticket, end_s: float, now: float) -> None:
        left_s = ticket.ask.deadline - now
        if end_s <= left_s:
            return
        alone = self.predictor.is_alone(ticket)
        alone_s = self.predictor.alone_s(ticket)
        wait_s = self._probes.wait_s(now, doubtful=alone_s * GUESSES[HIGH] <= left_s)
        if alone and wait_s == 0 and self.predictor.least_s(ticket) <= DOUBT * left_s:
            ticket.probe = True
            return
        what = f"it would take {end_s:.2f} s, and its deadline is in {left_s:.2f} s"
        if alone_s > left_s:
            text = f"{self._model}: {what}; it would be late on an idle node as well"
            raise Exhausted(text, reason="DEADLINE_TOO_SHORT")
        raise self._unreachable(what, _sensible(wait_s if alone else end_s - left_s))

    def _unreachable(self, what: str, retry_after_s: float) -> Exhausted:
        return Exhausted(f"{self._model}: {what}", reason="DEADLINE_UNREACHABLE", retry_after_s=retry_after_s)

    def _leave(self, ask: Ask) -> None:
        self._open[ask.priority] -= 1
        self._rate.record(self._clock())
        if self.num_open == 0:
            self._idle.set()


class Place:
    """What a request that came in holds: first it is `tokenized`, or it will `join` another one's answer;
    then it is `following` its stream.

    `finished` is for its last event, if it gets so far: from it later predictions learn.
    """

    def __init__(self, admission: Admission, ticket: Ticket, charge: Charge) -> None:
        self._admission = admission
        self._predictor = admission.predictor
        self._ticket = ticket
        self._charge = charge
        self.finished: Finished | None = None

    def tokenized(self, prompt: list[int], max_tokens: int) -> None:
        """Looks again, now that its size is known. Raises Exhausted as `check_deadline` does."""
        ticket = self._ticket
        self._predictor.tokenized(ticket, prompt, max_tokens)
        self._admission.admit(ticket)
        self._charge.set(len(prompt) + ticket.num_expected)

    def in_time_with(self, computed: "Place") -> bool:
        """Whether that one's answer is predicted to end before this one's deadline."""
        left_s = self._predictor.left_s(computed._ticket, but=self._ticket)
        return self._admission.in_time(self._ticket.ask, left_s)

    def join(self, computed: "Place") -> None:
        """Its answer is that one's, and no load; it holds its place and pays all the same."""
        self._predictor.joined(self._ticket, computed._ticket)
        self._charge.set(self._ticket.num_prompt + self._predictor.num_tokens(computed._ticket, MEDIAN))

    def succeed(self) -> None:
        """It stands for what it had joined from now on: the one before it has left."""
        self._predictor.tickets.add(self._ticket)

    @contextmanager
    def following(self, stream: TokenStream) -> Iterator[None]:
        """The worker has it, and `stream` tells how it gets on; in the end its tokens are paid for."""
        ticket = self._ticket
        if stream.joined_at is None:
            self._predictor.submitted(ticket, stream)
            self._admission.foresee()
        try:
            yield
        finally:
            self._charge.set(ticket.num_prompt + stream.num_tokens)
            self._admission.learn(ticket, self.finished)


def _sensible(seconds: float) -> float:
    return min(MAX_RETRY_S, max(MIN_RETRY_S, seconds))
