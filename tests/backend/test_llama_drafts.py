"""Guessed tokens on the real model: greedy answers with drafts are those of plain decoding, up to noise,
beside ordinary answers, with grammars and after preemption.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backend.test_llama import Answers, alone, assert_same
from tests.engine.drafting import Always
from xapp.backend.llama import LlamaBackend
from xapp.backend.llama_load import load
from xapp.backend.sizing import Node
from xapp.backend.vocab import Vocab
from xapp.config import EngineSettings
from xapp.domain.decoding import PLAIN, Ngram
from xapp.domain.messages import Priority, SamplingParams, Submit
from xapp.engine.sequence import Sequence
from xapp.engine.step_time import StepTime
from xapp.engine.strategies.decode import DECODE
from xapp.engine.strategies.ngram import NgramProposer
from xapp.engine.strategies.source import Source
from xapp.engine.strategies.speculate import Speculate
from xapp.engine.strategies.strategy import Strategy
from xapp.grammar.compile import compile_rules
from xapp.grammar.gbnf import read_gbnf
from xapp.steps.step_cost import straight_curve

pytestmark = pytest.mark.slow
TOKENS = 40


@pytest.fixture(scope="module")
def backend(default_model_path: Path) -> Iterator[LlamaBackend]:
    settings = EngineSettings(slots=3, kv_cells=1024, threads=1, flash_attention="on")
    loaded = load(str(default_model_path), settings, Node(8 << 30, 1), lambda _: None)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def prompt(default_model_path: Path) -> list[int]:
    """A list that the model goes on with."""
    vocab = Vocab(default_model_path)
    rules = (f"Rule {n}: cell {n} must report its load every {n * 7} seconds." for n in range(1, 6))
    tokens = vocab.tokenize("\n".join(rules) + "\nRule 6:")
    vocab.close()
    return tokens


@pytest.fixture
def drafting(backend: LlamaBackend) -> Answers:
    """What asks for n-grams gets them at any price: this machine's steps decide nothing."""
    # A curve that was measured at the load of a busy machine would cut the prompt.
    answers = Answers(backend, prefix_cache=False, step_time=StepTime(straight_curve(1e-6, 0.1)))
    cache = answers.engine._kv_cache

    def choose(request: Submit) -> Strategy[Sequence]:
        if not isinstance(request.strategy, Ngram):
            return DECODE
        return Speculate(cache, Source(NgramProposer(2), Always(), request.strategy.max_drafts))

    answers.engine._strategies.choose = choose  # type: ignore[method-assign]
    return answers


def test_a_greedy_answer_takes_fewer_steps(
    backend: LlamaBackend, prompt: list[int], drafting: Answers
) -> None:
    number = drafting.submit(prompt, TOKENS, ignore_eos=True, strategy=Ngram())
    drafting.run()
    finished = drafting.finished[number]
    assert finished.num_drafted >= finished.num_accepted > 5
    assert 0 < finished.num_draft_steps < TOKENS - finished.num_accepted
    assert_same(backend, prompt, drafting.tokens[number], alone(backend, prompt, TOKENS, ignore_eos=True))


def test_beside_ordinary_answers_nobody_s_changes(
    backend: LlamaBackend, prompt: list[int], drafting: Answers
) -> None:
    prompts = [prompt, prompt[:-9], prompt[:30]]
    for place, each in enumerate(prompts):
        drafting.submit(each, TOKENS, ignore_eos=True, strategy=PLAIN if place == 1 else Ngram(4))
    drafting.run()
    for number, each in enumerate(prompts):
        assert_same(backend, each, drafting.tokens[number], alone(backend, each, TOKENS, ignore_eos=True))


def test_a_grammar_holds_what_is_guessed(backend: LlamaBackend, prompt: list[int], drafting: Answers) -> None:
    lines = (
        'root ::= (" cell " [0-9]+ " must report its load every " [0-9]+ " seconds.\\nRule " [0-9] ":"){1,3}'
    )
    sampling = SamplingParams(grammar=compile_rules(read_gbnf(lines)).encode())
    number = drafting.submit(prompt, TOKENS, sampling=sampling, strategy=Ngram())
    drafting.run()
    plain = alone(backend, prompt, TOKENS, sampling=sampling)
    assert drafting.tokens[number] == plain
    assert drafting.finished[number].num_accepted > 5


def test_preempted_in_the_middle_it_goes_on_as_before(
    backend: LlamaBackend, prompt: list[int], drafting: Answers
) -> None:
    low = [
        drafting.submit(prompt, TOKENS, ignore_eos=True, strategy=Ngram(), priority=Priority.BATCH)
        for _ in range(3)
    ]
    for _ in range(6):
        drafting.step()
    drafting.submit(prompt[:20], 5, ignore_eos=True, priority=Priority.CRITICAL)
    drafting.run()
    assert drafting.engine.stats().total_preemptions > 0
    wanted = alone(backend, prompt, TOKENS, ignore_eos=True)
    for number in low:
        assert_same(backend, prompt, drafting.tokens[number], wanted)
