"""How far one answer has come in its grammar: pieces of UTF-8 in, which may end within a character."""

from codecs import utf_8_decode
from dataclasses import dataclass

from xapp.grammar.machine import Machine, State

_CONTINUATION = frozenset(range(0x80, 0xC0))


@dataclass(frozen=True, slots=True)
class Position:
    """A state, and the bytes of a character that is not whole yet (at most 3)."""

    state: State
    rest: bytes = b""

    @property
    def accepting(self) -> bool:
        """Whether the answer may end here."""
        return self.state.accepting and not self.rest

    @property
    def complete(self) -> bool:
        """Whether it must."""
        return self.state.complete and not self.rest


def advance(machine: Machine, position: Position, piece: bytes) -> Position | None:
    """Where the piece leads; None where the grammar does not allow it. Raises TooAmbiguous."""
    try:
        text, used = utf_8_decode(position.rest + piece, "strict", False)
    except UnicodeDecodeError:
        return None
    state: State | None = position.state
    for char in text:
        assert state is not None
        state = machine.advance(state, char)
        if state is None:
            return None
    assert state is not None
    rest = (position.rest + piece)[used:]
    if rest and not _can_grow(machine, state, rest):
        return None
    return Position(state, rest)


def first_bytes(machine: Machine, position: Position) -> frozenset[int]:
    """The bytes that the next piece may begin with; more than there are, never fewer."""
    if position.rest:
        return _CONTINUATION
    state = position.state
    if state.first_bytes is None:
        found: set[int] = set()
        for points in machine.sets_of(state):
            for low, end in zip(points[::2], points[1::2], strict=True):
                found.update(range(_lead(low), _lead(end - 1) + 1))
        state.first_bytes = frozenset(found)
    return state.first_bytes


def matches(machine: Machine, text: str) -> bool:
    """Whether the whole text is what the grammar describes. Raises TooAmbiguous."""
    state: State | None = machine.start
    for char in text:
        state = machine.advance(state, char) if state is not None else None
    return state is not None and state.accepting


def _lead(point: int) -> int:
    return chr(point).encode("utf-8", "surrogatepass")[0]


def _can_grow(machine: Machine, state: State, rest: bytes) -> bool:
    low, high = _reachable(rest)
    return any(
        begin <= high and low < end
        for points in machine.sets_of(state)
        for begin, end in zip(points[::2], points[1::2], strict=True)
    )


def _reachable(rest: bytes) -> tuple[int, int]:
    """The first and the last code point whose UTF-8 begins so."""
    lead = rest[0]
    size = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
    point = lead & (0xFF >> (size + 1))
    for byte in rest[1:]:
        point = point << 6 | byte & 0x3F
    bits = 6 * (size - len(rest))
    lowest = {2: 0x80, 3: 0x800, 4: 0x10000}[size]
    return max(point << bits, lowest), min((point << bits) | ((1 << bits) - 1), 0x10FFFF)
