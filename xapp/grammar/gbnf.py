"""Reads GBNF, llama.cpp's grammar notation: https://github.com/ggml-org/llama.cpp/tree/master/grammars

Its notation for tokens, `<think>` and `<[1000]>`, is not supported, since a grammar here knows characters
only.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from xapp.grammar.expr import (
    EMPTY,
    MAX_CODE_POINT,
    Chars,
    Expr,
    GrammarError,
    Ref,
    Repeat,
    Text,
    alt,
    invert,
    merge,
    seq,
)
from xapp.text_file import without_mark

MAX_BYTES = 32 * 1024
MAX_RULES = 2000
MAX_DEPTH = 50
MAX_DIGITS = 9
_TOKEN = re.compile(
    r"""(?P<space>[ \t]+|\#[^\r\n]*)|(?P<newline>\r\n|\n|\r)|(?P<name>[A-Za-z0-9_-]+)|(?P<define>::=)
    |(?P<text>"(?:\\[^\r\n]|[^"\\])*")|(?P<set>\[(?:\\[^\r\n]|[^\]\\])*\])|(?P<repeat>[*+?]|\{[ \t\d,]*\})
    |(?P<punctuation>[.()|])|(?P<bad>.)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))|(.)", re.DOTALL)
_BRACES = re.compile(r"\{[ \t]*(\d+)[ \t]*(,?)[ \t]*(\d*)[ \t]*\}")
_PLAIN = {"t": "\t", "r": "\r", "n": "\n", **{char: char for char in '\\"[]-^'}}
_SIMPLE = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_SURROGATES = range(0xD800, 0xE000)


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


def read_gbnf(text: str) -> dict[str, Expr]:
    """The rules by name. Raises GrammarError with the line."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise GrammarError(f"is larger than {MAX_BYTES} bytes")
    return _Reader(without_mark(text)).rules()


class _Reader:
    """One pass over the tokens; parentheses nest MAX_DEPTH deep at most."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._scan()
        self._next = next(self._tokens)
        self._depth = 0

    def rules(self) -> dict[str, Expr]:
        """All of them."""
        rules: dict[str, Expr] = {}
        while True:
            self._skip_newlines()
            if self._next.kind == "end":
                return rules
            name = self._take("name", "a rule begins with its name")
            self._take("define", "the name of a rule is followed by ::=")
            if name.text in rules:
                raise self._error(name.at, f"rule {name.text!r} is defined twice")
            rules[name.text] = self._alternatives()
            if len(rules) > MAX_RULES:
                raise self._error(name.at, f"more than {MAX_RULES} rules")
            if self._next.kind not in {"newline", "end"}:
                raise self._unexpected()

    def _alternatives(self) -> Expr:
        self._skip_newlines()
        items = [self._sequence()]
        while self._next.text == "|":
            self._advance()
            self._skip_newlines()
            items.append(self._sequence())
        return alt(*items)

    def _sequence(self) -> Expr:
        items: list[Expr] = []
        while True:
            if self._depth:
                self._skip_newlines()
            token = self._next
            if token.kind == "repeat":
                raise self._error(token.at, f"{token.text} repeats nothing, or what is repeated already")
            if (item := self._item()) is not None:
                items.append(self._repeated(item, self._advance()) if self._next.kind == "repeat" else item)
            else:
                return seq(*items) if items else EMPTY

    def _item(self) -> Expr | None:
        token = self._next
        match token.kind:
            case "name":
                return Ref(self._advance().text)
            case "text":
                return Text("".join(map(chr, self._code_points(self._advance()))))
            case "set":
                return self._set(self._advance())
        if token.text == ".":
            self._advance()
            return Chars(((0, MAX_CODE_POINT),))
        return self._group() if token.text == "(" else None

    def _group(self) -> Expr:
        opening = self._advance()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(opening.at, f"parentheses nest more than {MAX_DEPTH} deep")
        inner = self._alternatives()
        if self._next.text != ")":
            raise self._error(opening.at, "this parenthesis is not closed")
        self._depth -= 1
        self._advance()
        return inner

    def _repeated(self, item: Expr, token: _Token) -> Expr:
        if token.text in _SIMPLE:
            low, high = _SIMPLE[token.text]
            return Repeat(item, low, high)
        match = _BRACES.fullmatch(token.text)
        if match is None or max(len(match[1]), len(match[3])) > MAX_DIGITS:
            raise self._error(token.at, f"{token.text[:40]} is no repetition")
        if match[2]:
            return Repeat(item, int(match[1]), int(match[3]) if match[3] else None)
        return Repeat(item, int(match[1]), int(match[1]))

    def _set(self, token: _Token) -> Chars:
        body = token.text[1:-1]
        negated = body.startswith("^")
        if negated:
            token = token._replace(text="[" + body[1:] + "]")
        ranges = merge(self._set_ranges(token))
        ranges = invert(ranges) if negated else ranges
        if not ranges:
            raise self._error(token.at, "an empty set of characters")
        return Chars(ranges)

    def _set_ranges(self, token: _Token) -> list[tuple[int, int]]:
        points = self._code_points(token)
        plain = [match[5] for match in _ESCAPE.finditer(token.text[1:-1])]
        ranges, index = [], 0
        while index < len(points):
            low = high = points[index]
            if index + 2 < len(points) and plain[index + 1] == "-":
                high = points[index + 2]
                index += 2
                if high < low:
                    raise self._error(token.at, f"a range from {chr(low)!r} down to {chr(high)!r}")
            ranges.append((low, high))
            index += 1
        return ranges

    def _code_points(self, token: _Token) -> list[int]:
        return [self._code_point(match, token) for match in _ESCAPE.finditer(token.text[1:-1])]

    def _code_point(self, match: re.Match[str], token: _Token) -> int:
        if match[5] is not None:
            point = ord(match[5])
        elif match[4] is not None:
            if match[4] not in _PLAIN:
                raise self._error(token.at, f"unknown escape \\{match[4]}")
            point = ord(_PLAIN[match[4]])
        else:
            point = int(match[1] or match[2] or match[3], 16)
        if point > MAX_CODE_POINT or point in _SURROGATES:
            raise self._error(token.at, f"{match[0]} is no character")
        return point

    # ---- tokens

    def _scan(self) -> Iterator[_Token]:
        for match in _TOKEN.finditer(self._text):
            kind = match.lastgroup
            assert kind is not None
            if kind == "bad":
                raise self._error(match.start(), _bad(match[0]))
            if kind != "space":
                yield _Token(kind, match[0], match.start())
        yield _Token("end", "", len(self._text))

    def _advance(self) -> _Token:
        token, self._next = self._next, next(self._tokens)
        return token

    def _take(self, kind: str, otherwise: str) -> _Token:
        if self._next.kind != kind:
            raise self._error(self._next.at, otherwise)
        return self._advance()

    def _skip_newlines(self) -> None:
        while self._next.kind == "newline":
            self._advance()

    def _unexpected(self) -> GrammarError:
        return self._error(self._next.at, f"{self._next.text[:40]!r} does not belong here")

    def _error(self, at: int, message: str) -> GrammarError:
        return GrammarError(f"line {self._text.count(chr(10), 0, at) + 1}: {message}")


def _bad(char: str) -> str:
    if char == '"':
        return "this text is not closed"
    if char == "[":
        return "this set of characters is not closed"
    return f"{char!r} does not belong here"
