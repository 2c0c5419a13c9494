"""Checks a Program before it is matched. It does not recurse: a grammar may be as deep as it is long."""

from collections.abc import Iterator

from xapp.grammar.expr import GrammarError
from xapp.grammar.program import Alternative, Program, Symbol

MAX_EMPTY_REPEAT = 16
"""Repetitions of an expression that may be empty multiply the ways to match nothing. A few are harmless."""


def prune(program: Program) -> Program:
    """Removes alternatives that never end. Raises GrammarError when nothing is left of the root."""
    ends = _derivable(program, sets=True)
    if 0 not in ends:
        raise GrammarError("no text matches: the root always comes to itself again, or to nothing")

    def keep(symbol: Symbol) -> bool:
        return not isinstance(symbol, tuple) or symbol[0] in ends

    rules = [
        [[symbol for symbol in body if keep(symbol)] for body in bodies if _needs(body) <= ends]
        for bodies in program.rules
    ]
    return Program(rules, program.sets)


def check(program: Program, names: list[str]) -> None:
    """Raises GrammarError with the rule."""
    empty = _derivable(program, sets=False)
    for rule, bodies in enumerate(program.rules):
        for symbol in (symbol for body in bodies for symbol in body):
            if isinstance(symbol, tuple) and symbol[0] in empty and _most(symbol) > MAX_EMPTY_REPEAT:
                text = f"repeats what may be empty {_most(symbol)} times, more than {MAX_EMPTY_REPEAT}"
                raise GrammarError(f"rule {names[rule]!r}: {text}")
    recursive = _left_recursive(program, empty)
    if recursive is not None:
        raise GrammarError(f"rule {names[recursive]!r}: left recursion: it begins with itself")


def _most(symbol: tuple[int, int, int | None]) -> int:
    """The number of counted repetitions."""
    return max(symbol[1], symbol[2] or 0)


def _needs(body: Alternative) -> set[int]:
    """The rules that must match a text for this rule to match."""
    needed = set()
    for symbol in body:
        if isinstance(symbol, tuple):
            if symbol[1] > 0:
                needed.add(symbol[0])
        elif isinstance(symbol, int) and symbol < 0:
            needed.add(~symbol)
    return needed


def _derivable(program: Program, *, sets: bool) -> set[int]:
    """Rules that can end; without `sets`, on the empty text."""
    missing: list[int] = []
    waiting: dict[int, list[tuple[int, int]]] = {}
    ready: list[int] = []
    for rule, bodies in enumerate(program.rules):
        for body in bodies:
            if not sets and any(_reads(symbol) for symbol in body):
                continue
            needed = _needs(body)
            for other in needed:
                waiting.setdefault(other, []).append((rule, len(missing)))
            missing.append(len(needed))
            if not needed:
                ready.append(rule)
    return _propagate(ready, waiting, missing)


def _propagate(ready: list[int], waiting: dict[int, list[tuple[int, int]]], missing: list[int]) -> set[int]:
    found: set[int] = set()
    while ready:
        rule = ready.pop()
        if rule in found:
            continue
        found.add(rule)
        for other, body in waiting.get(rule, ()):
            missing[body] -= 1
            if missing[body] == 0:
                ready.append(other)
    return found


def _left_recursive(program: Program, empty: set[int]) -> int | None:
    """A rule that reaches itself before it has matched a character."""
    edges = [sorted(set(_leftmost(bodies, empty))) for bodies in program.rules]
    done: set[int] = set()
    for start in range(len(edges)):
        path: dict[int, Iterator[int]] = {} if start in done else {start: iter(edges[start])}
        while path:
            rule, rest = next(reversed(path.items()))
            follower = next(rest, None)
            if follower is None:
                done.add(rule)
                del path[rule]
            elif follower in path:
                return follower
            elif follower not in done:
                path[follower] = iter(edges[follower])
    return None


def _leftmost(bodies: list[Alternative], empty: set[int]) -> Iterator[int]:
    for body in bodies:
        for symbol in body:
            if isinstance(symbol, tuple):
                yield symbol[0]
                if symbol[1] > 0 and symbol[0] not in empty:
                    break
            elif _reads(symbol):
                break
            else:
                assert isinstance(symbol, int)
                yield ~symbol
                if ~symbol not in empty:
                    break


def _reads(symbol: Symbol) -> bool:
    """Whether the symbol is a text or a set, which match at least one character."""
    return isinstance(symbol, str) or (isinstance(symbol, int) and symbol >= 0)
