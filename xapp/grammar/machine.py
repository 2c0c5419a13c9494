"""Follows a Program character by character: which texts it may have read, and what may come next.

A State is the set of all places in the grammar that the text so far may have led to, each with its
stack of rules to come back to. Repetitions are counted, not written out, and equal stacks are one
object, so that a State stays small; MAX_STACKS and the budget bound what does not. Transitions are
remembered: most characters cost one look-up.
"""

from bisect import bisect_right

from xapp.grammar.program import Alternative, Program

MAX_STACKS = 1024
"""Places that one state may have."""
MAX_DEPTH = 1000
"""Rules that a stack may have open; what nests deeper is not accepted."""
MAX_REMEMBERED = 20_000
"""Transitions of one grammar that are kept."""
MAX_WORK = 20_000
"""Units, about 1 µs each, that `Machine.left` begins with."""

_END, _CHARS, _TEXT, _CALL, _REPEAT = range(5)


class TooAmbiguous(Exception):
    """Following the grammar takes more work or memory than is allowed."""


class Stack:
    """A place in the program, and where to come back to.

    `count`: how often its repetition was gone through, or how much of its text was read.
    """

    __slots__ = ("count", "depth", "parent", "place")

    def __init__(self, place: int, count: int, parent: "Stack | None") -> None:
        self.place = place
        self.count = count
        self.parent = parent
        self.depth: int = 0 if parent is None else parent.depth + 1


class State:
    """All places at once. `accepting`: the text so far is whole. `moves` remembers where characters led."""

    __slots__ = ("accepting", "first_bytes", "moves", "stacks")

    def __init__(self, stacks: tuple[Stack, ...], accepting: bool) -> None:
        self.stacks = stacks
        self.accepting = accepting
        self.moves: dict[str, State | None] = {}
        self.first_bytes: frozenset[int] | None = None

    @property
    def complete(self) -> bool:
        """Whether the text is whole and nothing can follow."""
        return self.accepting and not self.stacks


class Machine:
    """One grammar. Shared by all answers that it holds, on one thread.

    `left` is what may still be spent; the caller fills it up. Raises TooAmbiguous at the start and
    on a character when that is not enough, or a state gets too large.
    """

    def __init__(self, program: Program) -> None:
        self._kinds: list[int] = []
        self._sets: list[list[int]] = []
        self._texts: list[str] = []
        self._bodies: list[list[int]] = []
        self._bounds: list[tuple[int, int | None]] = []
        self._rules: list[list[int]] = [[] for _ in program.rules]
        for bodies, places in zip(program.rules, self._rules, strict=True):
            for body in bodies:
                places.append(len(self._kinds))
                self._lay_out(body, program.sets)
        self._stacks: dict[tuple[int, int, Stack | None], Stack] = {}
        self._states: dict[tuple[frozenset[Stack], bool], State] = {}
        self._moved: list[State] = []
        self._remembered = 0
        self.left = MAX_WORK
        self.start = self._state([(place, 0, None) for place in self._rules[0]])

    def _lay_out(self, body: Alternative, sets: list[list[int]]) -> None:
        for symbol in body:
            if isinstance(symbol, tuple):
                self._place(_REPEAT, bodies=self._rules[symbol[0]], bounds=symbol[1:])
            elif isinstance(symbol, str):
                self._place(_TEXT, text=symbol)
            elif symbol < 0:
                self._place(_CALL, bodies=self._rules[~symbol])
            else:
                self._place(_CHARS, points=sets[symbol])
        self._place(_END)

    def _place(
        self,
        kind: int,
        points: list[int] | None = None,
        text: str = "",
        bodies: list[int] | None = None,
        bounds: tuple[int, int | None] = (0, None),
    ) -> None:
        self._kinds.append(kind)
        self._sets.append(points or [])
        self._texts.append(text)
        self._bodies.append(bodies if bodies is not None else [])
        self._bounds.append(bounds)

    def advance(self, state: State, char: str) -> State | None:
        """Where the character leads; None where the grammar does not allow it."""
        try:
            return state.moves[char]
        except KeyError:
            pass
        begun = self._begun(state, char)
        target = self._state(begun) if begun else None
        if target is not None and not (target.stacks or target.accepting):
            target = None
        self._remember(state, char, target)
        return target

    def _begun(self, state: State, char: str) -> list[tuple[int, int, Stack | None]]:
        """Where the character leads by itself."""
        point, sets, texts = ord(char), self._sets, self._texts
        self.left -= len(state.stacks)
        begun: list[tuple[int, int, Stack | None]] = []
        for stack in state.stacks:
            place = stack.place
            if text := texts[place]:
                if text[stack.count] == char:
                    whole = stack.count + 1 == len(text)
                    begun.append(
                        (place + 1, 0, stack.parent) if whole else (place, stack.count + 1, stack.parent)
                    )
            elif bisect_right(sets[place], point) & 1:
                begun.append((place + 1, 0, stack.parent))
        return begun

    def sets_of(self, state: State) -> list[list[int]]:
        """The sets of characters that may come next, as in Program."""
        return [self._set_of(stack) for stack in state.stacks]

    def _set_of(self, stack: Stack) -> list[int]:
        if text := self._texts[stack.place]:
            point = ord(text[stack.count])
            return [point, point + 1]
        return self._sets[stack.place]

    def _remember(self, state: State, char: str, target: State | None) -> None:
        if self._remembered >= MAX_REMEMBERED:
            self._forget()
        if not state.moves:
            self._moved.append(state)
        self._remembered += 1
        state.moves[char] = target

    def _forget(self) -> None:
        # Answers that go on keep their own state; what it led to is worked out again.
        for state in self._moved:
            state.moves = {}
        self._moved.clear()
        self._states.clear()
        self._stacks.clear()
        self._remembered = 0

    def _state(self, work: list[tuple[int, int, Stack | None]]) -> State:
        """All that can be reached from these places without reading."""
        found: dict[Stack, None] = {}
        accepting = False
        seen: set[tuple[int, int, Stack | None]] = set(work)
        kinds = self._kinds
        before = len(work)
        while work:
            entry = work.pop()
            place, count, parent = entry
            kind = kinds[place]
            if kind in (_CHARS, _TEXT):
                found[self._stack(entry)] = None
                continue
            if kind == _END and parent is None:
                accepting = True
                continue
            for follower in self._followers(kind, place, count, parent):
                if follower not in seen:
                    seen.add(follower)
                    work.append(follower)
            if len(seen) > self.left:
                raise TooAmbiguous
        if len(found) > MAX_STACKS:
            raise TooAmbiguous
        self.left -= max(len(seen), before)
        return self._known(found, accepting)

    def _known(self, found: dict[Stack, None], accepting: bool) -> State:
        key = (frozenset(found), accepting)
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = State(tuple(found), accepting)
        return state

    def _followers(
        self, kind: int, place: int, count: int, parent: Stack | None
    ) -> list[tuple[int, int, Stack | None]]:
        if kind == _END:
            assert parent is not None
            return [self._resume(parent)]
        if kind == _CALL:
            # The last call of a rule needs nothing to come back to: lists do not deepen the stack.
            inner = parent if self._kinds[place + 1] == _END else self._stack((place, 0, parent))
            return self._enter(place, inner)
        low, high = self._bounds[place]
        followers: list[tuple[int, int, Stack | None]] = []
        if high is None or count < high:
            followers = self._enter(place, self._stack((place, count, parent)))
        if count >= low:
            followers.append((place + 1, 0, parent))
        return followers

    def _enter(self, place: int, inner: Stack | None) -> list[tuple[int, int, Stack | None]]:
        if inner is not None and inner.depth > MAX_DEPTH:
            return []
        return [(body, 0, inner) for body in self._bodies[place]]

    def _resume(self, stack: Stack) -> tuple[int, int, Stack | None]:
        place = stack.place
        if self._kinds[place] == _CALL:
            return (place + 1, 0, stack.parent)
        low, high = self._bounds[place]
        # Beyond `low` an endless repetition need not be counted: its states are the same for ever.
        count = stack.count + 1 if high is not None else min(stack.count + 1, low)
        return (place, count, stack.parent)

    def _stack(self, entry: tuple[int, int, Stack | None]) -> Stack:
        known = self._stacks.get(entry)
        if known is None:
            known = self._stacks[entry] = Stack(*entry)
        return known
