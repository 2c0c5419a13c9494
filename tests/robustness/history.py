"""What callers sent and saw, what the node logged, and which faults there were: the material of the rules.

All times are seconds on CLOCK_MONOTONIC of the machine.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `answer` is what it must get, alone or in company; None where only its form is known.

    `cancel_after`: the caller leaves after so many chunks. `promised`: the node refuses the request unless it
    can keep the deadline.
    """

    id: str
    identity: str
    kind: str
    answer: str | None = None
    deadline_s: float | None = None
    promised: bool = False
    cancel_after: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A message that the caller got: `started`, `chunk`, `finished` or `result`."""

    at: float
    kind: str
    text: str = ""
    num_tokens: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """How a call ended for its caller: the status, the reason of ErrorInfo, the text of the status."""

    at: float
    code: str
    reason: str = ""
    details: str = ""


@dataclass(slots=True)
class Call:
    """A request from its caller's view."""

    asked: Asked
    began: float
    events: list[Event] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text of all chunks."""
        return "".join(event.text for event in self.events)

    @property
    def finished(self) -> Event | None:
        """The last message of a whole answer."""
        return next((event for event in self.events if event.kind in {"finished", "result"}), None)

    @property
    def is_whole(self) -> bool:
        """Whether the answer came to its own end."""
        return self.finished is not None and self.finished.reason in {"STOP", "LENGTH", ""}


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that was done to the node from outside, or told by a failpoint of it."""

    at: float
    until: float
    what: str


@dataclass(frozen=True, slots=True)
class Record:
    """The node's log record of the end of a request."""

    id: str
    code: str
    num_tokens: int | None = None
    finish_reason: str = ""


@dataclass(frozen=True, slots=True)
class Idle:
    """The node after all calls have ended and all faults are over.

    `probes` are calls that need every slot, nearly every cell, all of an identity's quota, and all sessions.
    """

    num_running: int
    num_waiting: int
    cells_used: int
    cells_total: int
    num_descriptors: int
    num_tasks: int
    probes: tuple[str, ...] = ()


@dataclass(slots=True)
class History:
    """One run."""

    seed: int = 0
    calls: list[Call] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    idle: Idle | None = None
    num_server_starts: int = 1
    num_asked: int = 0
    answers_are_exact: bool = True
    """Whether `Asked.answer` holds to the letter: the fake's answers do, a model's up to float noise."""

    def new_id(self) -> str:
        """The name of the next request."""
        self.num_asked += 1
        return f"r{self.num_asked}"

    @property
    def ended(self) -> list[Call]:
        """The calls that have an end."""
        return [call for call in self.calls if call.ends]
