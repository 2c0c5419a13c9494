"""What is known of each open request: what was asked, how far it is, and what was foretold of it."""

from dataclasses import dataclass

from xapp.domain.messages import Priority
from xapp.workers.token_stream import TokenStream

BYTES_PER_TOKEN = 4
"""Of a prompt that is not yet tokenized."""
_GOLDEN = 0.6180339887498949
"""Multiples of it modulo 1 are spread evenly, however many there are."""


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """What is known of a request before it is tokenized. Times are on CLOCK_MONOTONIC.

    `kind` names requests whose answers are alike in length; `exact`: the answer has just `max_tokens`.
    Prefixes are shared within `scope`.
    """

    arrival: float
    deadline: float
    max_tokens: int
    priority: Priority = Priority.INTERACTIVE
    best_effort: bool = False
    client: str = ""
    kind: str = ""
    exact: bool = False
    num_bytes: int = 0
    max_gap_s: float | None = None
    deterministic: bool = False
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds from now: until the first work, the first token, the last."""

    queue_s: float
    first_s: float
    end_s: float

    def within(self, most_s: float) -> "Times":
        """None of them later than that."""
        return Times(min(self.queue_s, most_s), min(self.first_s, most_s), min(self.end_s, most_s))


@dataclass(frozen=True, slots=True)
class Prediction:
    """`num_tokens` is the median answer's length; `high` is exceeded by one request in 20.

    Both expect that others come meanwhile, as they did of late. `promise_s` is when the answer has ended
    at the latest, in 19 cases of 20, while nobody is let in who would make it late.
    """

    num_tokens: int
    median: Times
    high: Times
    promise_s: float


@dataclass(frozen=True, slots=True)
class Foresight:
    """What the simulation said last, at `at` on CLOCK_MONOTONIC, of one that was let in.

    Seconds from then until the first token, 0 where it was there, and until the end, `num_left` tokens
    after the `num_done` that there would be at the first.
    """

    at: float
    first_s: float
    end_s: float
    num_done: int
    num_left: float

    def end_s_with(self, num_tokens: int) -> float:
        """Seconds until the end of an answer that turned out to have so many tokens in all."""
        each_s = (self.end_s - self.first_s) / max(1, self.num_left)
        return self.first_s + each_s * max(0, num_tokens - self.num_done)


class OpenRequest:
    """One open request. Before it is `tokenized` its size is guessed; `stream` once it was submitted.

    Of many answers some are short and some are long, and the first to end makes room for the next: so
    each is taken, in predictions of others, to have the length at a quantile of its own, `share`.

    `expected` is what was simulated for it with `num_others` there and `num_expected` tokens to come,
    `foresight` what was last. A `probe` was let in although it is predicted to be late.
    """

    def __init__(self, request: AdmissionRequest, number: int) -> None:
        self.request = request
        self.share = (number + 0.5) * _GOLDEN % 1 * 0.9 + 0.05
        self.order = (float(request.priority), request.deadline, request.arrival, float(number))
        self.num_prompt = max(1, request.num_bytes // BYTES_PER_TOKEN)
        self.num_cached = 0
        self.max_tokens = request.max_tokens
        self.stream: TokenStream | None = None
        self.expected: Times | None = None
        self.num_expected = self.num_others = 0
        self.foresight: Foresight | None = None
        self.probe = False

    @property
    def running(self) -> bool:
        """Whether it has, or had, a slot."""
        return self.stream is not None and self.stream.started is not None

    @property
    def num_done(self) -> int:
        """Tokens that came."""
        return self.stream.num_tokens if self.stream is not None else 0

    @property
    def num_cells(self) -> int:
        """Cells that its sequence has and has promised, of those that all share."""
        if self.request.deterministic:
            return 0
        return self.num_prompt + self.max_tokens - 1
