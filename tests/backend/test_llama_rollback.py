"""Samplers that go back to a mark, over the logits of the real model: the draws that follow are those that
would have followed without what came in between.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.scale import examples
from xapp.backend.base import NOT_DRAWN, Batch, Outcome, Sampler
from xapp.backend.llama import LlamaBackend
from xapp.backend.llama_grammar import GrammarSampler
from xapp.backend.llama_load import load
from xapp.backend.llama_sampler import GREEDY, ChainSampler
from xapp.backend.sizing import Node
from xapp.config import EngineSettings
from xapp.domain.messages import SamplingParams
from xapp.grammar.compile import compile_rules
from xapp.grammar.gbnf import read_gbnf

pytestmark = pytest.mark.slow
PROMPT = [504, 3575, 282, 4649, 314, 260, 1633, 28, 504, 3575, 282, 4649, 314, 260, 1633, 28]
PROSE = compile_rules(read_gbnf('root ::= [^.]{200,300} "."')).encode()


@dataclass(frozen=True)
class Bench:
    """A backend that has computed the prompt, with logits after each of its tokens."""

    backend: LlamaBackend
    logits: npt.NDArray[np.float32]

    def draw(self, sampler: Sampler, index: int) -> int:
        """From the logits after the prompt's token `index`."""
        index %= len(PROMPT)
        row = self.logits[index]
        if isinstance(sampler, GrammarSampler):
            return sampler.sample(row, int(row.argmax()))
        assert isinstance(sampler, ChainSampler)
        return sampler.sample(self.backend._main.handle, index)

    def draws(self, sampler: Sampler, start: int, count: int) -> list[int]:
        return [self.draw(sampler, index) for index in range(start, start + count)]


@pytest.fixture(scope="module")
def bench(default_model_path: Path) -> Iterator[Bench]:
    options = EngineSettings(slots=2, kv_cells=256, threads=1)
    backend = load(str(default_model_path), options, Node(8 << 30, 1), lambda _: None)
    batch = Batch()
    for position, token in enumerate(PROMPT):
        batch.add(token, position, 0)
        batch.want_output()
    backend.decode(batch, [GREEDY] * len(PROMPT))
    yield Bench(backend, backend._main.rows(len(PROMPT)).copy())
    backend.close()


parameters = st.builds(
    SamplingParams,
    temperature=st.sampled_from([0.0, 0.7, 1.5]),
    top_k=st.sampled_from([0, 5, 40]),
    top_p=st.sampled_from([0.9, 1.0]),
    min_p=st.sampled_from([0.0, 0.05]),
    repeat_penalty=st.sampled_from([1.3, 1.0]),
    seed=st.integers(0, 2**32 - 2),
    grammar=st.sampled_from([None, PROSE]),
).filter(lambda params: params.grammar is not None or not params.greedy)
tokens = st.lists(st.one_of(st.none(), st.integers(300, 400)), max_size=6)
"""What comes between the mark and the way back: drawn where None, else accepted."""


@settings(
    max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(parameters, st.integers(0, 5), tokens, tokens, st.integers(1, 8))
def test_draws_after_a_rollback_are_those_without_what_came_between(
    bench: Bench,
    params: SamplingParams,
    before: int,
    between: list[int | None],
    again: list[int | None],
    after: int,
) -> None:
    plain = bench.backend.new_sampler(params, PROMPT)
    expected = bench.draws(plain, 0, before + after)
    sampler = bench.backend.new_sampler(params, PROMPT)
    assert bench.draws(sampler, 0, before) == expected[:before]
    mark = sampler.mark()
    for detour in (between, again):
        for number, token in enumerate(detour):
            if token is None:
                bench.draw(sampler, before + number + 3)
            else:
                sampler.accept(token)
        sampler.rollback(mark)
    assert bench.draws(sampler, before, after) == expected[before:]
    assert sampler.outcome is plain.outcome
    plain.close()
    sampler.close()


def test_without_the_way_back_the_draws_would_differ(bench: Bench) -> None:
    """The property above says something: a detour that nobody takes back shows."""
    params = SamplingParams(temperature=1.5, repeat_penalty=1.3, seed=7)
    plain, sampler = (bench.backend.new_sampler(params, PROMPT) for _ in range(2))
    bench.draw(sampler, 3)
    assert bench.draws(sampler, 0, 8) != bench.draws(plain, 0, 8)


def test_a_token_that_the_grammar_forbids_is_not_accepted_and_changes_nothing(bench: Bench) -> None:
    params = SamplingParams(grammar=compile_rules(read_gbnf("root ::= [0-9]{4}")).encode())
    plain, sampler = (bench.backend.new_sampler(params, PROMPT) for _ in range(2))
    letter = next(token for token in range(300, 400) if bench.backend.pieces.piece(token).isalpha())
    assert sampler.accept(letter) is False
    assert sampler.outcome is Outcome.OPEN
    assert bench.draws(sampler, 0, 3) == bench.draws(plain, 0, 3)


@pytest.mark.parametrize(
    "fields",
    [{}, {"temperature": 1.2, "seed": 5}, {"repeat_penalty": 1.4}, {"temperature": 0.8, "grammar": PROSE}],
    ids=["greedy", "drawn", "penalty", "grammar"],
)
@pytest.mark.parametrize("wrong_from", [0, 2, 4])
def test_drafts_bring_what_decoding_one_by_one_brings(
    bench: Bench, fields: dict[str, float], wrong_from: int
) -> None:
    """A step with 4 drafts, of which those from `wrong_from` on are wrong, then one by one again."""
    backend, params = bench.backend, SamplingParams(**fields)  # type: ignore[arg-type]
    expected = one_by_one(backend, backend.new_sampler(params, PROMPT), 8)
    sampler = backend.new_sampler(params, PROMPT)
    drafts = [token if place < wrong_from else 99 for place, token in enumerate(expected[:4])]
    batch = Batch()
    batch.extend(PROMPT, 0, 1)
    batch.want_output()
    for place, draft in enumerate(drafts):
        batch.add_draft(draft, len(PROMPT) + place, 1)
    drawn = backend.decode(batch, [sampler] * 5)
    assert drawn[: wrong_from + 1] == expected[: wrong_from + 1]
    assert drawn[wrong_from + 1 :] == [NOT_DRAWN] * (4 - wrong_from)
    backend.remove(1, len(PROMPT) + wrong_from)
    assert one_by_one(backend, sampler, 7 - wrong_from, drawn[: wrong_from + 1]) == expected[wrong_from + 1 :]


def one_by_one(
    backend: LlamaBackend, sampler: Sampler, count: int, answer: list[int] | None = None
) -> list[int]:
    """So many tokens more behind the prompt and the answer so far, of which the last has no cell yet."""
    drawn = list(answer or [])
    batch = Batch()
    if answer is None:
        batch.extend(PROMPT, 0, 1)
    else:
        batch.add(drawn[-1], len(PROMPT) + len(drawn) - 1, 1)
    while True:
        batch.want_output()
        drawn += backend.decode(batch, [sampler])
        if len(drawn) == len(answer or []) + count:
            break
        batch = Batch()
        batch.add(drawn[-1], len(PROMPT) + len(drawn) - 1, 1)
    backend.remove(1)
    sampler.close()
    return drawn[len(answer or []) :]


@pytest.mark.parametrize("split", [[], [3, 2], [2, 2, 1]])
@pytest.mark.parametrize("wrong_from", [1, 2, 4])
def test_a_step_that_is_cut_within_a_draft_checks_it_all_the_same(
    bench: Bench, split: list[int], wrong_from: int
) -> None:
    backend = bench.backend
    expected = one_by_one(backend, GREEDY, 6)
    drafts = [token if place < wrong_from else 99 for place, token in enumerate(expected[1:5])]
    batch = Batch()
    batch.extend(PROMPT, 0, 1)
    backend.decode(batch, [])
    batch = Batch(split=split)
    batch.add(expected[0], len(PROMPT), 1)
    batch.want_output()
    for place, draft in enumerate(drafts, start=len(PROMPT) + 1):
        batch.add_draft(draft, place, 1)
    drawn = backend.decode(batch, [GREEDY] * 5)
    backend.remove(1)
    assert drawn == expected[1 : wrong_from + 2] + [NOT_DRAWN] * (4 - wrong_from)
