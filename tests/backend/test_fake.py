"""The fake must be as strict as llama.cpp, or the engine's tests prove nothing."""

import pytest

from xapp.backend.base import NOT_DRAWN, Batch, DecodeError
from xapp.backend.byte_vocab import ByteVocab
from xapp.backend.fake import FakeBackend
from xapp.backend.fake_rule import END_TOKEN, next_token
from xapp.config import EngineSettings
from xapp.domain.messages import SamplingParams
from xapp.grammar.compile import compile_rules
from xapp.grammar.gbnf import read_gbnf


def decode(backend: FakeBackend, seq_id: int, tokens: list[int], start: int = 0) -> list[int]:
    batch = Batch()
    batch.extend(tokens, start, seq_id)
    batch.want_output()
    sampler = backend.new_sampler(SamplingParams(), tokens)
    try:
        return backend.decode(batch, [sampler])
    finally:
        sampler.close()


def test_the_answer_depends_on_what_the_cells_hold() -> None:
    backend = FakeBackend()
    assert decode(backend, 0, [1, 2, 3]) == [next_token([1, 2, 3])]
    assert decode(backend, 0, [4, 5], 3) == [next_token([1, 2, 3, 4, 5])]
    assert backend.content(0) == [1, 2, 3, 4, 5]


def test_a_shared_prefix_is_one_set_of_cells() -> None:
    backend = FakeBackend()
    decode(backend, 0, [1, 2, 3])
    backend.copy_prefix(0, 1, 2)
    assert decode(backend, 1, [9], 2) == [next_token([1, 2, 9])]
    assert backend.used == 4
    backend.remove(0)
    assert backend.used == 3
    assert backend.content(1) == [1, 2, 9]
    backend.remove(1, 1)
    assert backend.used == 1


def test_a_wrong_position_is_an_error() -> None:
    with pytest.raises(DecodeError, match="-1"):
        decode(FakeBackend(), 0, [1], start=1)


def test_no_cell_left_is_an_error_and_changes_nothing() -> None:
    backend = FakeBackend(EngineSettings(kv_cells=64))
    decode(backend, 0, [1] * 64)
    with pytest.raises(DecodeError) as caught:
        decode(backend, 1, [1])
    assert caught.value.code == 1
    assert backend.used == 64
    assert backend.content(1) == []


def test_samplers_that_are_not_closed_show() -> None:
    backend = FakeBackend()
    sampler = backend.new_sampler(SamplingParams(), [])
    assert len(backend.live_samplers) == 1
    sampler.close()
    sampler.close()
    assert not backend.live_samplers


def test_it_speaks_the_byte_vocabulary_and_ends_sometimes() -> None:
    vocab = ByteVocab()
    answers = [next_token([n]) for n in range(2000)]
    assert vocab.is_end(END_TOKEN)
    assert 0 < answers.count(END_TOKEN) < 50
    assert all(0 <= token < vocab.size for token in answers)


def test_it_is_sized_by_the_settings() -> None:
    info = FakeBackend(EngineSettings(slots=3, kv_cells=100, context_length=80, step_budget_ms=50)).info
    assert (info.num_slots, info.kv_cells_total, info.context_length, info.step_budget_s) == (
        3,
        100,
        80,
        0.05,
    )
    assert FakeBackend(EngineSettings(batch_tokens=2)).info.num_slots == 2


def drawn(params: SamplingParams, drafts: list[int]) -> list[int]:
    backend = FakeBackend()
    batch = Batch()
    batch.extend([1, 2], 0, 0)
    batch.want_output()
    for position, draft in enumerate(drafts, start=2):
        batch.add_draft(draft, position, 0)
    return backend.decode(batch, [backend.new_sampler(params, [1, 2])] * (1 + len(drafts)))


def test_behind_a_wrong_draft_nothing_is_drawn() -> None:
    first = next_token([1, 2])
    second = next_token([1, 2, first])
    assert drawn(SamplingParams(), [first, second + 1, 7]) == [first, second, NOT_DRAWN, NOT_DRAWN]


def test_behind_the_end_that_a_grammar_sets_nothing_is_drawn() -> None:
    held = SamplingParams(grammar=compile_rules(read_gbnf('root ::= "ab"')).encode())
    assert drawn(held, [ord("a"), ord("b"), 7]) == [ord("a"), ord("b"), NOT_DRAWN, NOT_DRAWN]
