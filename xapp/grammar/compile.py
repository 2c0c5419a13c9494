"""Compiles rules to a Program, with every check that keeps matching cheap.

Refused are undefined rules, left recursion, a grammar that matches no text, repetitions of expressions that
may be empty, and grammars that are too large. The time is linear in the size of the grammar.
"""

from collections.abc import Mapping

from xapp.grammar.check import check, prune
from xapp.grammar.expr import Alt, Chars, Expr, GrammarError, Ranges, Ref, Repeat, Seq, Text
from xapp.grammar.program import Alternative, Program, Symbol

MAX_SYMBOLS = 10_000
MAX_REPEAT = 100_000


def compile_rules(rules: Mapping[str, Expr], root: str = "root") -> Program:
    """Raises GrammarError with the rule."""
    compiler = _Compiler(rules, root)
    program = prune(compiler.program())
    check(program, compiler.names)
    return program


class _Compiler:
    """Named rules come first, in their order but the root. Rules for groups follow."""

    def __init__(self, rules: Mapping[str, Expr], root: str) -> None:
        if root not in rules:
            raise GrammarError(f"there is no rule {root!r}")
        self._rules = rules
        self.names = [root, *(name for name in rules if name != root)]
        self._index = {name: index for index, name in enumerate(self.names)}
        self._bodies: list[list[Alternative]] = [[] for _ in self.names]
        self._sets: dict[Ranges, int] = {}
        self._of_set: dict[int, int] = {}
        self._size = 0

    def program(self) -> Program:
        """Compiles all rules."""
        for name, index in list(self._index.items()):
            self._bodies[index] = self._alternatives(self._rules[name], name)
        sets = [[point for low, high in ranges for point in (low, high + 1)] for ranges in self._sets]
        return Program(self._bodies, sets)

    def _alternatives(self, expr: Expr, name: str) -> list[Alternative]:
        if isinstance(expr, Alt):
            return [self._sequence(item, name) for item in expr.items]
        return [self._sequence(expr, name)]

    def _sequence(self, expr: Expr, name: str) -> Alternative:
        symbols = self._symbols(expr, name)
        self._size += len(symbols) + 1
        if self._size > MAX_SYMBOLS:
            raise GrammarError(f"rule {name!r}: the grammar has more than {MAX_SYMBOLS} symbols")
        return symbols

    def _symbols(self, expr: Expr, name: str) -> Alternative:
        match expr:
            case Text(text):
                return [text] if text else []
            case Chars(ranges):
                return [self._set(ranges)]
            case Seq(items):
                return [symbol for item in items for symbol in self._symbols(item, name)]
            case Ref(target):
                return [~self._named(target, name)]
            case Repeat(item, low, high):
                return self._repeat(item, low, high, name)
            case Alt():
                return [~self._group(expr, name)]

    def _named(self, target: str, name: str) -> int:
        if (index := self._index.get(target)) is None:
            raise GrammarError(f"rule {name!r}: there is no rule {target!r}")
        return index

    def _repeat(self, item: Expr, low: int, high: int | None, name: str) -> list[Symbol]:
        if max(low, high or 0) > MAX_REPEAT:
            raise GrammarError(f"rule {name!r}: a repetition of more than {MAX_REPEAT}")
        if high is not None and high < low:
            raise GrammarError(f"rule {name!r}: a repetition of at least {low} and at most {high}")
        if high == 0:
            return []
        if low == high == 1:
            return self._symbols(item, name)
        return [(self._body(item, name), low, high)]

    def _body(self, item: Expr, name: str) -> int:
        if isinstance(item, Ref):
            return self._named(item.name, name)
        if not isinstance(item, Chars):
            return self._group(item, name)
        index = self._set(item.ranges)
        if index not in self._of_set:
            self._of_set[index] = self._group(item, name)
        return self._of_set[index]

    def _group(self, expr: Expr, name: str) -> int:
        index = len(self._bodies)
        self._bodies.append([])
        self.names.append(name)
        self._bodies[index] = self._alternatives(expr, name)
        return index

    def _set(self, ranges: Ranges) -> int:
        return self._sets.setdefault(ranges, len(self._sets))
