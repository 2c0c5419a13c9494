"""Constraint: keeps one answer within a grammar, token by token, within a budget, for the samplers.

A token may use what earlier tokens left of the budget. So a grammar may be expensive for one token. A grammar
that is expensive for each token ends its own request and delays no other.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TypeAlias, cast

from xapp.backend.base import Outcome
from xapp.grammar.machine import MAX_WORK, Machine, TooAmbiguous
from xapp.grammar.program import decode_program
from xapp.grammar.progress import Position, advance, first_bytes

WORK_PER_TOKEN = 4000
"""Units that each token adds to the budget. A unit is about 1 µs, an ordinary token takes 20 units."""
MAX_MACHINES = 32
"""Grammars that a worker remembers, with their computed states."""
_Mark: TypeAlias = tuple[Position, int, Outcome]


class Machines:
    """The grammars used most recently.

    Requests of a scope with the same schema share computed states.
    """

    def __init__(self) -> None:
        self._machines: OrderedDict[tuple[str, bytes], Machine] = OrderedDict()

    def get(self, program: bytes, scope: str = "") -> Machine:
        """Raises TooAmbiguous."""
        key = (scope, program)
        machine = self._machines.pop(key, None)
        if machine is None:
            machine = Machine(decode_program(program))
        self._machines[key] = machine
        if len(self._machines) > MAX_MACHINES:
            self._machines.popitem(last=False)
        return machine


class Constraint:
    """`piece` returns a token's bytes, b"" for control tokens, which no grammar allows."""

    def __init__(
        self, machine: Machine, piece: Callable[[int], bytes], is_end: Callable[[int], bool]
    ) -> None:
        self._machine = machine
        self._piece = piece
        self._is_end = is_end
        self._position = Position(machine.start)
        self._credit = MAX_WORK
        self.outcome = Outcome.OPEN

    @property
    def may_end(self) -> bool:
        """Whether the present answer is complete."""
        return self._position.accepting

    def draw(self, candidates: Iterable[int]) -> int:
        """The first candidate that may come next. Sets `outcome`. With STUCK the result is no candidate."""
        machine = self._machine
        machine.left = min(self._credit + WORK_PER_TOKEN, MAX_WORK)
        try:
            token = next(token for token in candidates if self._take(token))
        except (TooAmbiguous, StopIteration):
            self.outcome = Outcome.STUCK
            return 0
        finally:
            self._credit = machine.left
        if self._position.complete:
            self.outcome = Outcome.COMPLETE
        return token

    def accept(self, token: int) -> bool:
        """Takes a token that was chosen elsewhere. False, without any change, where it is not allowed."""
        mark = self.mark()
        self.draw((token,))
        if self.outcome is Outcome.STUCK:
            self.rollback(mark)
            return False
        return True

    def mark(self) -> object:
        """The position in the grammar, and the rest of the budget."""
        return self._position, self._credit, self.outcome

    def rollback(self, mark: object) -> None:
        """Returns to a mark."""
        self._position, self._credit, self.outcome = cast(_Mark, mark)

    def _take(self, token: int) -> bool:
        """Takes the token if it may come next. Returns whether it did."""
        if self._is_end(token):
            return self._position.accepting
        piece = self._piece(token)
        self._machine.left -= 1 + len(piece)
        if self._machine.left < 0:
            raise TooAmbiguous
        position = advance(self._machine, self._position, piece) if piece else None
        if position is None:
            return False
        self._position = position
        return True

    def first_bytes(self) -> frozenset[int]:
        """The possible first bytes of the next token."""
        return first_bytes(self._machine, self._position)
