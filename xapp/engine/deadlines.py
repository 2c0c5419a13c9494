"""Deadlines: finds the sequences whose deadline has passed."""

from collections.abc import Iterator, Mapping
from heapq import heapify, heappop, heappush

from xapp.engine.sequence import Sequence

FORGOTTEN_DEADLINES = 64
"""Deadlines of ended requests that are kept, beyond the number of open requests."""


class Deadlines:
    """The deadlines of the open `sequences`, by request id."""

    def __init__(self, sequences: Mapping[int, Sequence]) -> None:
        self._sequences = sequences
        self._deadlines: list[tuple[float, int]] = []

    def __len__(self) -> int:
        """Deadlines that are kept, those of ended requests included."""
        return len(self._deadlines)

    def watch(self, deadline: float, request_id: int) -> None:
        """Adds a deadline. It counts while it is the deadline of its sequence."""
        if len(self._deadlines) > 2 * len(self._sequences) + FORGOTTEN_DEADLINES:
            # Deadlines of requests that ended in time, and replaced deadlines, would stay until they pass.
            self._deadlines = [entry for entry in self._deadlines if self._is_current(*entry)]
            heapify(self._deadlines)
        heappush(self._deadlines, (deadline, request_id))

    def _is_current(self, deadline: float, request_id: int) -> bool:
        sequence = self._sequences.get(request_id)
        return sequence is not None and sequence.deadline == deadline

    def passed(self, now: float) -> Iterator[Sequence]:
        """The sequences whose deadline has passed, the first deadline first."""
        while self._deadlines and self._deadlines[0][0] <= now:
            deadline, request_id = heappop(self._deadlines)
            if self._is_current(deadline, request_id):
                yield self._sequences[request_id]
