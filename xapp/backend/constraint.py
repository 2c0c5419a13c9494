"""Holds one answer to a grammar, token by token, within a budget: what the samplers ask.

The budget of one token is what the last ones left over: a grammar that is costly for one token passes,
one that is costly for each of them ends its own request and does not hold up the others.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TypeAlias, cast

from xapp.backend.base import Outcome
from xapp.grammar.machine import MAX_WORK, Machine, TooAmbiguous
from xapp.grammar.program import decode_program
from xapp.grammar.progress import Position, advance, first_bytes

WORK_PER_TOKEN = 4000
"""Units that each token adds to the budget; a unit is about 1 µs, an ordinary token takes 20."""
MAX_MACHINES = 32
"""Grammars that a worker remembers, with what it has learnt of them."""
_Mark: TypeAlias = tuple[Position, int, Outcome]


class Machines:
    """The grammars in use, the latest ones.

    Requests of a scope with the same schema share what was worked out.
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
    """`piece` gives a token's bytes, b"" for control tokens, which no grammar allows."""

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
        """Whether the answer is whole as it is."""
        return self._position.accepting

    def draw(self, candidates: Iterable[int]) -> int:
        """The first of the candidates that may come next. Sets `outcome`: when STUCK, it is none of them."""
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
        """Takes a token that was chosen elsewhere. False where it may not come next: nothing changes then."""
        mark = self.mark()
        self.draw((token,))
        if self.outcome is Outcome.STUCK:
            self.rollback(mark)
            return False
        return True

    def mark(self) -> object:
        """The place in the grammar, and what is left to spend."""
        return self._position, self._credit, self.outcome

    def rollback(self, mark: object) -> None:
        """Goes back to a mark."""
        self._position, self._credit, self.outcome = cast(_Mark, mark)

    def _take(self, token: int) -> bool:
        """Whether the token may come next; if so, it has."""
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
        """Bytes that the next token may begin with."""
        return first_bytes(self._machine, self._position)
