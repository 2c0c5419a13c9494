"""How answers end that a grammar holds."""

from tests.engine.harness import Harness
from xapp.domain.messages import FinishReason, SamplingParams
from xapp.grammar.compile import compile_rules
from xapp.grammar.gbnf import read_gbnf


def held(text: str) -> SamplingParams:
    return SamplingParams(grammar=compile_rules(read_gbnf(text)).encode())


def test_complete_is_stop_without_a_further_step() -> None:
    harness = Harness()
    answer = harness.submit([1, 2], 10, sampling=held('root ::= "abc"'))
    steps = 0
    while harness.engine.has_work:
        harness.step()
        steps += 1
    assert bytes(answer.tokens) == b"abc"
    assert answer.reason is FinishReason.STOP
    assert steps == 3


def test_complete_at_the_last_token_is_stop() -> None:
    harness = Harness()
    answer = harness.submit([1], 3, sampling=held('root ::= "abc"'))
    while harness.engine.has_work:
        harness.step()
    assert answer.reason is FinishReason.STOP


def test_no_room_to_finish_is_length() -> None:
    harness = Harness()
    answer = harness.submit([1], 2, sampling=held('root ::= "abc"'))
    while harness.engine.has_work:
        harness.step()
    assert bytes(answer.tokens) == b"ab"
    assert answer.reason is FinishReason.LENGTH


def test_the_model_may_end_where_the_grammar_allows_it() -> None:
    harness = Harness()
    answer = harness.submit([1], 200, sampling=held("root ::= [0-9]+"))
    while harness.engine.has_work:
        harness.step()
    assert answer.reason is FinishReason.STOP
    assert bytes(answer.tokens).isdigit()


def test_a_grammar_that_explodes_ends_its_own_request_only() -> None:
    harness = Harness()
    hostile = held('root ::= ("0"{0,1000} | "00"{0,1000} | "000"{0,1000}){1,16} "x"')
    bad = harness.submit([1], 200, sampling=hostile)
    good = harness.submit([2, 3], 5, sampling=held('root ::= "abc"'))
    while harness.engine.has_work:
        harness.step()
    assert bad.reason is FinishReason.STUCK
    assert bytes(good.tokens) == b"abc"
    assert harness.backend.live_samplers == set()
