"""Tokens held to a grammar, within a budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.backend import constraint as module
from xapp.backend.base import Outcome
from xapp.backend.constraint import Constraint, Machines
from xapp.grammar.compile import compile_rules
from xapp.grammar.gbnf import read_gbnf

PIECES = {0: b"", 1: b"a", 2: b"ab", 3: b"b", 4: b"\xe2", 5: b"\x82\xac", 6: b"aaaaaaaa"}
END = 9


def constraint(text: str) -> Constraint:
    machine = Machines().get(compile_rules(read_gbnf(text)).encode())
    return Constraint(machine, lambda token: PIECES.get(token, b""), lambda token: token == END)


def test_the_first_that_fits_is_taken() -> None:
    held = constraint('root ::= "ab" "€" "b"*')
    assert held.draw([END, 0, 3, 6, 2, 1]) == 2
    assert held.draw([5, END, 4]) == 4
    assert not held.may_end
    assert held.draw([END, 1, 5]) == 5
    assert held.may_end
    assert held.outcome is Outcome.OPEN
    assert held.draw([1, 3]) == 3
    assert held.draw([1, END, 3]) == END
    assert held.outcome is Outcome.OPEN


def test_complete_when_nothing_can_follow() -> None:
    held = constraint('root ::= "ab"')
    outcomes = []
    for token in (1, 3):
        held.draw([token])
        outcomes.append(held.outcome)
    assert outcomes == [Outcome.OPEN, Outcome.COMPLETE]


def test_stuck_when_no_token_fits() -> None:
    held = constraint('root ::= "x"')
    held.draw(range(9))
    assert held.outcome is Outcome.STUCK


def test_stuck_when_the_grammar_takes_too_much_work() -> None:
    held = constraint('root ::= ("a"{0,1000} | "aa"{0,1000} | "aaa"{0,1000}){1,16}')
    drawn = 0
    while held.outcome is Outcome.OPEN:
        held.draw([6])
        drawn += 1
    assert held.outcome is Outcome.STUCK
    assert drawn < 50


def test_what_others_spent_is_not_held_against_one() -> None:
    machines = Machines()
    program = compile_rules(read_gbnf('root ::= "a"*')).encode()
    held = [Constraint(machines.get(program), PIECES.__getitem__, lambda _: False) for _ in range(50)]
    for _ in range(50):
        assert all(each.draw([6]) == 6 for each in held)
    assert {each.outcome for each in held} == {Outcome.OPEN}


def test_machines_are_shared_and_the_oldest_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MACHINES", 2)
    first, second, third = (compile_rules(read_gbnf(f'root ::= "{c}"')).encode() for c in "abc")
    machines = Machines()
    kept, lost = machines.get(first), machines.get(second)
    assert machines.get(first) is kept
    machines.get(third)
    assert machines.get(first) is kept
    assert machines.get(second) is not lost


_tokens = st.lists(st.integers(0, 9), max_size=5)


@given(_tokens, _tokens, _tokens)
def test_a_mark_brings_back_the_place_the_budget_and_the_outcome(
    before: list[int], between: list[int], after: list[int]
) -> None:
    def follow(held: Constraint, tokens: list[int]) -> list[tuple[int, Outcome, bool]]:
        steps = [(held.draw([token, 1, 3]), held.outcome, held.may_end) for token in tokens]
        return [*steps, (0, held.outcome, held.may_end)]

    text = 'root ::= ("ab" | "a" "€" | "b"){1,6} "b"?'
    plain, held = constraint(text), constraint(text)
    follow(plain, before)
    follow(held, before)
    mark = held.mark()
    for token in between:
        held.accept(token)
    held.rollback(mark)
    follow(held, between)
    held.rollback(mark)
    assert held.first_bytes() == plain.first_bytes()
    assert follow(held, after) == follow(plain, after)


def test_a_token_that_does_not_fit_is_not_accepted() -> None:
    held = constraint('root ::= "ab" "b"')
    assert [held.accept(token) for token in (3, 2, END, 3, 3)] == [False, True, False, True, False]
    assert held.outcome is Outcome.COMPLETE


def test_what_was_worked_out_in_another_scope_is_not_used() -> None:
    """A grammar that takes too much work at first would tell that others have used it."""
    program, machines = compile_rules(read_gbnf('root ::= "a"*')).encode(), Machines()
    mine = machines.get(program, "principal me")
    assert machines.get(program, "principal them") is not mine
    assert machines.get(program, "principal me") is mine
