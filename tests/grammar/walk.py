"""Random texts that a grammar accepts."""

from random import Random

from xapp.grammar.machine import Machine, State

CLOSING = '"}]'
WIDE = 300


def walk(machine: Machine, random: Random, limit: int = 600) -> str | None:
    """A whole text; None when it did not come to an end within `limit` characters."""
    state, text = machine.start, ""
    for _ in range(limit):
        machine.left = 1_000_000
        if state.accepting and (not state.stacks or random.random() < 0.3):
            return text
        char = _char(machine, state, random)
        if (follower := machine.advance(state, char)) is not None:
            state, text = follower, text + char
    return None


def _char(machine: Machine, state: State, random: Random) -> str:
    # What closes is preferred, or texts of open length would go on for ever.
    for char in CLOSING:
        if random.random() < 0.3 and machine.advance(state, char) is not None:
            return char
    points = random.choice(machine.sets_of(state))
    index = 2 * random.randrange(len(points) // 2)
    low, end = points[index], points[index + 1]
    return chr(random.randrange(low, min(end, low + WIDE)))
