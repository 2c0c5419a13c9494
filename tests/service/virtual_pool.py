"""Nodes on virtual time. A client asks them in turn, and where a node refuses, another node once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle

from tests.service.virtual_node import Answer, VirtualNode, Wanted
from xapp.domain.messages import StepEvents, Submit


@dataclass
class Member:
    """A node, and its step that is computed at present: what came of it, and who came meanwhile."""

    node: VirtualNode
    events: StepEvents | None = None
    coming: list[Submit] = field(default_factory=list)

    def advance(self, until: float) -> None:
        """Computes until the step that is not over then."""
        clock = self.node.clock
        while clock.now <= until:
            self._end_step()
            if not self.node.engine.has_work:
                clock.now = until
                return
            self.events = self.node.engine.step()

    def _end_step(self) -> None:
        if self.events is not None:
            self.node.tell(self.events)
            self.events = None
        for submit in self.coming:
            self.node.engine.submit(submit)
        self.coming.clear()

    def takes(self, wanted: Wanted, at: float) -> bool:
        """Asks at that second, which lies before the end of the present step."""
        clock = self.node.clock
        end, clock.now = clock.now, at
        submit = self.node.ask(wanted)
        clock.now = max(end, at)
        if submit is not None:
            self.coming.append(submit)
        return submit is not None


class VirtualPool:
    """Nodes of these speeds. Nodes of one speed have one weight, so the client asks them in turn."""

    def __init__(self, speeds: Sequence[float]) -> None:
        self._members = [Member(VirtualNode(speed=speed)) for speed in speeds]
        self._turn = cycle(self._members)
        self._start = self._members[0].node.clock.now

    def open_loop(self, wanted: Sequence[Wanted]) -> None:
        """They come when they come, ascending. Returns when every admitted request has ended."""
        for each in wanted:
            at = self._start + each.at
            for member in self._members:
                member.advance(at)
            self._ask(each, at)
        for member in self._members:
            while member.events is not None or member.coming or member.node.engine.has_work:
                member.advance(member.node.clock.now)

    def _ask(self, wanted: Wanted, at: float) -> None:
        first = next(self._turn)
        if not first.takes(wanted, at) and len(self._members) > 1:
            next(self._turn).takes(wanted, at)

    @property
    def answers(self) -> list[Answer]:
        """Of all nodes."""
        return [answer for member in self._members for answer in member.node.answers]

    def goodput(self, begin: float, end: float) -> float:
        """Whole answers a second that ended in time between these seconds."""
        ended = (each.finished.at - self._start for each in self.answers if each.finished and each.good)
        return sum(begin <= at < end for at in ended) / (end - begin)
