"""OpenRequest: a request that admission counts, with its size, its progress and its predictions."""

from dataclasses import dataclass

from xapp.domain.messages import Priority
from xapp.workers.token_stream import TokenStream

BYTES_PER_TOKEN = 4
"""Tokens of a prompt that is not yet tokenized."""
_GOLDEN = 0.6180339887498949
"""Golden ratio: multiples of it modulo 1 are spread evenly, for any number of them."""


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """The properties of a request before it is tokenized. Times are on CLOCK_MONOTONIC.

    `kind` names requests whose answers have similar lengths. `exact`: the answer has exactly `max_tokens`.
    Prefixes are shared within `scope`. `drafts`: the answer may be decoded with drafts. A request that is
    not `counted` uses no quota. `text` is the end of the prompt, "" where nobody looks at it.
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
    drafts: bool = False
    counted: bool = True
    text: str = ""


@dataclass(frozen=True, slots=True)
class Hint:
    """What the prompt of a request tells about the length of its answer: its counts, and the name of the
    answers whose prompts promise about the same length. `used`: predictions are made from these answers.
    """

    counts: tuple[float, ...]
    band: str
    used: bool


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds from now until the first work, the first token and the end."""

    queue_s: float
    first_s: float
    end_s: float

    def within(self, most_s: float) -> "Times":
        """The same times, none later than `most_s`."""
        return Times(min(self.queue_s, most_s), min(self.first_s, most_s), min(self.end_s, most_s))


@dataclass(frozen=True, slots=True)
class Prediction:
    """`num_tokens` is the median length of the answer. One request in 20 exceeds `high`.

    Both include requests that arrive meanwhile, at the recent rate. `promise_s` is the latest end in 19 of 20
    cases, while admission refuses requests that would delay it.
    """

    num_tokens: int
    median: Times
    high: Times
    promise_s: float


@dataclass(frozen=True, slots=True)
class Foresight:
    """The last simulation of an admitted request, made `at` a time on CLOCK_MONOTONIC.

    It has the seconds from then until the first token (0 if it was there already) and until the end, which is
    `num_left` tokens after the `num_done` tokens at the first.
    """

    at: float
    first_s: float
    end_s: float
    num_done: int
    num_left: float

    def end_s_with(self, num_tokens: int) -> float:
        """Seconds until the end of an answer that turned out to have `num_tokens` tokens in all."""
        each_s = (self.end_s - self.first_s) / max(1, self.num_left)
        return self.first_s + each_s * max(0, num_tokens - self.num_done)


class OpenRequest:
    """One open request. Its size is guessed before it is `tokenized`; it has a `stream` once it is submitted.

    Some of many answers are short and some are long, and the first to end makes room for the next. So the
    predictions of other requests assume a length at a quantile of its own, `share`, for each request.

    `expected` is the simulation with `num_others` other requests and `num_expected` tokens to come,
    `foresight` is the last simulation. A `probe` was admitted although it is predicted to be late.
    """

    def __init__(self, request: AdmissionRequest, number: int, hint: Hint | None = None) -> None:
        self.request = request
        self.hint = hint
        self.share = (number + 0.5) * _GOLDEN % 1 * 0.9 + 0.05
        self.order = (float(request.priority), request.deadline, request.arrival, float(number))
        self.num_prompt = max(1, request.num_bytes // BYTES_PER_TOKEN)
        self.num_cached = 0
        self.max_tokens = request.max_tokens
        self.stream: TokenStream | None = None
        self.expected: Times | None = None
        self.num_expected = self.num_others = self.num_at_first = 0
        self.foresight: Foresight | None = None
        self.turn: float | None = None
        self.probe = False

    def place(self, turn: float | None) -> None:
        """Sets the place among the waiting requests of its class. None: its deadline decides."""
        self.turn = turn
        self.order = (self.order[0], self.request.deadline if turn is None else turn, *self.order[2:])

    @property
    def running(self) -> bool:
        """Whether the request has, or had, a slot."""
        return self.stream is not None and self.stream.started is not None

    @property
    def num_done(self) -> int:
        """Tokens that arrived."""
        return self.stream.num_tokens if self.stream is not None else 0

    @property
    def num_cells(self) -> int:
        """Cells that its sequence has or has reserved in the shared cache."""
        if self.request.deterministic:
            return 0
        return self.num_prompt + self.max_tokens - 1
