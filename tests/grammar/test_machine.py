"""Following a grammar: bounded whatever it is, and the same answer however often it was asked."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.grammar import machine as module
from xapp.grammar.compile import compile_rules
from xapp.grammar.expr import Alt, Chars, Expr, Repeat, Seq, Text
from xapp.grammar.gbnf import read_gbnf
from xapp.grammar.machine import MAX_WORK, Machine, TooAmbiguous
from xapp.grammar.program import decode_program
from xapp.grammar.progress import Position, advance, first_bytes, matches


def follow(text: str) -> Machine:
    return Machine(compile_rules(read_gbnf(text)))


def expressions() -> st.SearchStrategy[tuple[Expr, str]]:
    """An expression and the regular expression that says the same."""
    leaves: st.SearchStrategy[tuple[Expr, str]] = st.sampled_from(
        [
            (Text("a"), "a"),
            (Text("ab"), "ab"),
            (Text(""), "(?:)"),
            (Chars(((0x61, 0x62),)), "[ab]"),
        ]
    )

    def grow(inner: st.SearchStrategy[tuple[Expr, str]]) -> st.SearchStrategy[tuple[Expr, str]]:
        pair = st.lists(inner, min_size=2, max_size=3)
        counts = st.sampled_from([(0, None), (1, None), (0, 1), (2, 3), (2, None), (0, 4)])
        return st.one_of(
            pair.map(lambda items: (Seq(tuple(e for e, _ in items)), "".join(f"(?:{r})" for _, r in items))),
            pair.map(lambda items: (Alt(tuple(e for e, _ in items)), "|".join(f"(?:{r})" for _, r in items))),
            st.tuples(inner, counts).map(_repeated),
        )

    return st.recursive(leaves, grow, max_leaves=6)


def _repeated(given_: tuple[tuple[Expr, str], tuple[int, int | None]]) -> tuple[Expr, str]:
    (expr, regex), (low, high) = given_
    return Repeat(expr, low, high), f"(?:{regex}){{{low},{'' if high is None else high}}}"


@given(expressions(), st.lists(st.text("ab", max_size=7), min_size=1, max_size=8))
def test_regular_expressions_agree(both: tuple[Expr, str], texts: list[str]) -> None:
    expr, regex = both
    machine = Machine(decode_program(compile_rules({"root": expr}).encode()))
    for text in texts:
        machine.left = 100 * MAX_WORK
        assert matches(machine, text) == bool(re.fullmatch(regex, text)), (regex, text)


def test_a_grammar_that_branches_without_end_stops_at_the_budget() -> None:
    machine = follow('root ::= ("a"{0,1000} | "aa"{0,1000} | "aaa"{0,1000}){1,16}')
    with pytest.raises(TooAmbiguous):
        matches(machine, "a" * 1000)


def test_a_start_that_is_too_ambiguous() -> None:
    groups = "(" * 5 + '"a"?' + "){0,16}" * 5
    with pytest.raises(TooAmbiguous):
        follow(f"root ::= {groups}")


def test_nesting_ends_at_a_depth() -> None:
    machine = follow('root ::= "[" root "]" | "x"')
    machine.left = 10**9
    assert matches(machine, "[" * 500 + "x" + "]" * 500)
    assert not matches(machine, "[" * 1500 + "x" + "]" * 1500)


def test_lists_do_not_nest() -> None:
    machine = follow('root ::= "a" root | "b"')
    machine.left = 10**9
    assert matches(machine, "a" * 5000 + "b")


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 50)
    machine = follow('root ::= "a"{0,1000} "b"')
    machine.left = 10**9
    for length in (10, 300, 10, 700):
        assert matches(machine, "a" * length + "b")
        assert not matches(machine, "a" * length)
    assert len(machine._states) <= 51
    assert sum(len(state.moves) for state in machine._moved) <= 50


def test_pieces_may_end_within_a_character() -> None:
    machine = follow("root ::= [à-é] [€] [\U0001f600-\U0001f64f]")
    data = "é€\U0001f601".encode()
    position: Position | None = Position(machine.start)
    for byte in data:
        assert position is not None
        assert not position.accepting
        assert byte in first_bytes(machine, position)
        position = advance(machine, position, bytes([byte]))
    assert position is not None
    assert position.complete


@pytest.mark.parametrize("piece", [b"\xc3\xb0", b"\xc4", b"a", b"\xff", b"\xe2\x82", b"\xc3\xa9\xe2\x83"])
def test_pieces_that_cannot_become_a_character_of_the_grammar(piece: bytes) -> None:
    machine = follow("root ::= [à-é] [€]")
    assert advance(machine, Position(machine.start), piece) is None


def test_whole_and_nothing_may_follow() -> None:
    machine = follow('root ::= "a" "b"?')
    begun = advance(machine, Position(machine.start), b"a")
    assert begun is not None
    assert begun.accepting
    assert not begun.complete
    ended = advance(machine, begun, b"b")
    assert ended is not None
    assert ended.complete
