"""A Job: one request in the simulation of the node."""

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter

from xapp.domain.messages import Priority

Order = tuple[float, ...]
NEVER = float("inf")
by_order = attrgetter("order")


@dataclass(slots=True, eq=False)
class Job:
    """One request: tokens still to `prefill`, then to `decode`; `cells` for all tokens, of which `computed`
    are filled. While it decodes, no step is planned to take longer than `max_gap_s`. An `isolated` job has
    steps of its own, in turn with the steps of all other jobs.

    `order` begins with the class and decides who goes first. Its prompt stood behind others for `waited_s`,
    as far as the simulation goes. The three times are the result; NEVER where the
    simulation ended before. `ends_at` is the tick of its end while it decodes (`decoding_group`).
    """

    order: Order
    prefill: float
    decode: float
    cells: int
    computed: float = 0
    max_gap_s: float | None = None
    isolated: bool = False
    waited_s: float = NEVER
    started_s: float = NEVER
    first_s: float = NEVER
    end_s: float = NEVER
    ends_at: float = field(default=NEVER, init=False)

    @property
    def read(self) -> float:
        """Cells that its decode step reads: on average half of the answer is there."""
        return self.computed + self.prefill + self.decode / 2

    def __lt__(self, other: "Job") -> bool:
        return self.order < other.order

    def stretch(self, stretch: Callable[[float], float]) -> None:
        """Changes the three times, on a node that gets slower meanwhile."""
        self.started_s, self.first_s, self.end_s = map(stretch, (self.started_s, self.first_s, self.end_s))

    @property
    def critical(self) -> bool:
        """Whether other jobs pause while its prompt is computed."""
        return self.order[0] == Priority.CRITICAL
