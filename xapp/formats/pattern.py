r"""Regular expressions of JSON schemas: the part of ECMA-262 that is regular.

Supported: characters, `.`, classes, `\d \w \s` and their complements, groups, `|`, `* + ? {m,n}`, and the
anchors `^ $` at the ends of the pattern's alternatives. `\d` and `\w` are ASCII, as in ECMA-262.
The grammar's machine matches the pattern without backtracking: a pattern that is catastrophic
elsewhere takes linear time here.
"""

import re

from xapp.formats.json_text import chars_in_string
from xapp.grammar.expr import (
    EMPTY,
    MAX_CODE_POINT,
    Alt,
    Chars,
    Expr,
    GrammarError,
    Ranges,
    Ref,
    Repeat,
    Seq,
    Text,
    alt,
    invert,
    merge,
    seq,
)

MAX_LENGTH = 512
MAX_DEPTH = 20
_ANY = Chars(((0, MAX_CODE_POINT),))
_DOT: Ranges = invert(merge([(ord(char), ord(char)) for char in "\n\r\u2028\u2029"]))
_DIGITS: Ranges = ((0x30, 0x39),)
_WORD: Ranges = merge([(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)])
_SPACE: Ranges = merge([(ord(char), ord(char)) for char in " \t\n\v\f\r\u00a0\u2028\u2029"])
_CLASSES = {
    "d": _DIGITS,
    "D": invert(_DIGITS),
    "w": _WORD,
    "W": invert(_WORD),
    "s": _SPACE,
    "S": invert(_SPACE),
}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v"}
_REPEAT = re.compile(r"\{(\d{1,6})(,?)(\d{0,6})\}")
_HEX = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})")
_QUANTIFIERS = {"*": (0, None), "+": (1, None), "?": (0, 1)}


def read_pattern(pattern: str) -> Expr:
    """The whole strings in which the pattern is found. Raises GrammarError."""
    if len(pattern) > MAX_LENGTH:
        raise GrammarError(f"a pattern of more than {MAX_LENGTH} characters")
    return _Reader(pattern).read()


def as_json(expr: Expr) -> Expr:
    """The same within the quotes of a JSON string."""
    match expr:
        case Text(text):
            return seq(*(chars_in_string(((ord(char), ord(char)),)) for char in text)) if text else EMPTY
        case Chars(ranges):
            return chars_in_string(ranges)
        case Seq(items):
            return Seq(tuple(map(as_json, items)))
        case Alt(items):
            return Alt(tuple(map(as_json, items)))
        case Repeat(item, low, high):
            return Repeat(as_json(item), low, high)
        case Ref():
            return expr


class _Reader:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._depth = 0

    def read(self) -> Expr:
        """Parses the whole pattern."""
        ways = [self._anchored()]
        while self._taken("|"):
            ways.append(self._anchored())
        if self._at < len(self._pattern):
            raise self._error("unexpected")
        return alt(*ways)

    def _anchored(self) -> Expr:
        start = [] if self._taken("^") else [Repeat(_ANY, 0, None)]
        body = self._sequence()
        end = [] if self._taken("$") else [Repeat(_ANY, 0, None)]
        return seq(*start, body, *end)

    def _alternatives(self) -> Expr:
        ways = [self._sequence()]
        while self._taken("|"):
            ways.append(self._sequence())
        return alt(*ways)

    def _sequence(self) -> Expr:
        items: list[Expr] = []
        while (char := self._peek()) and char not in "|)$":
            if char == "^":
                raise self._error("an anchor within the pattern is not supported")
            items.append(self._quantified(self._atom()))
        return seq(*items) if items else EMPTY

    def _quantified(self, item: Expr) -> Expr:
        char = self._peek()
        if char in _QUANTIFIERS and char:
            low, high = _QUANTIFIERS[char]
            self._at += 1
        elif match := _REPEAT.match(self._pattern, self._at):
            low = int(match[1])
            high = low if not match[2] else int(match[3]) if match[3] else None
            self._at = match.end()
        else:
            return item
        if self._peek() in {"?", "+", "*", "{"}:
            raise self._error("a quantifier after a quantifier is not supported")
        return Repeat(item, low, high)

    def _atom(self) -> Expr:
        char = self._pattern[self._at]
        if char == "(":
            return self._group()
        self._at += 1
        match char:
            case ".":
                return Chars(_DOT)
            case "[":
                return self._class()
            case "\\":
                return Chars(self._escape())
        if char in "*+?{}])":
            self._at -= 1
            raise self._error("unexpected")
        return Text(char)

    def _group(self) -> Expr:
        begin = self._at
        self._at += 1
        if self._taken("?") and not self._taken(":"):
            raise self._error("groups other than (...) and (?:...) are not supported")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(f"groups nest more than {MAX_DEPTH} deep")
        inner = self._alternatives()
        if not self._taken(")"):
            raise GrammarError(f"character {begin + 1}: this group is not closed, or has an anchor in it")
        self._depth -= 1
        return inner

    def _class(self) -> Chars:
        negated = self._taken("^")
        parts: list[tuple[int, int]] = []
        while self._peek() not in {"]", ""}:
            parts += self._class_part()
        if not self._taken("]"):
            raise self._error("a class is not closed")
        ranges = invert(merge(parts)) if negated else merge(parts)
        if not ranges:
            raise self._error("an empty class")
        return Chars(ranges)

    def _class_part(self) -> Ranges:
        low = self._class_char()
        if self._pattern[self._at : self._at + 1] != "-" or self._pattern[self._at + 1 : self._at + 2] in {
            "]",
            "",
        }:
            return low
        self._at += 1
        high = self._class_char()
        if len(low) != 1 or len(high) != 1 or low[0][0] != low[0][1] or low[0][0] > high[0][0]:
            raise self._error("a range that is none")
        return ((low[0][0], high[0][1]),)

    def _class_char(self) -> Ranges:
        char = self._peek()
        self._at += 1
        return self._escape() if char == "\\" else ((ord(char), ord(char)),)

    def _escape(self) -> Ranges:
        char = self._peek()
        if match := _HEX.match(self._pattern, self._at):
            self._at = match.end()
            point = int(match[1] or match[2], 16)
            return ((point, point),)
        self._at += 1
        if char in _CLASSES:
            return _CLASSES[char]
        if char in _CONTROLS:
            char = _CONTROLS[char]
        elif not char or char.isalnum():
            self._at -= 1
            raise self._error(f"the escape \\{char} is not supported")
        return ((ord(char), ord(char)),)

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _taken(self, char: str) -> bool:
        found = self._peek() == char
        self._at += found
        return found

    def _error(self, what: str) -> GrammarError:
        return GrammarError(f"character {self._at + 1}: {what}")
