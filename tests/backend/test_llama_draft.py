"""A draft model on the real library: SmolLM guesses for itself, so nearly every guess is right."""

import struct
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
from xapp.domain.decoding import PLAIN, Drafted
from xapp.domain.messages import SamplingParams, Submit
from xapp.engine.drafts import Drafts
from xapp.engine.sequence import Sequence
from xapp.engine.strategies.decode import DECODE
from xapp.engine.strategies.draft import DraftProposer
from xapp.engine.strategies.source import Source
from xapp.engine.strategies.speculate import Speculate
from xapp.engine.strategies.strategy import Strategy
from xapp.errors import ModelError
from xapp.steps.pace import MIN_CHUNK

pytestmark = pytest.mark.slow
NODE = Node(8 << 30, 1)
TOKENS = 24


def settings(draft: Path) -> EngineSettings:
    return EngineSettings(slots=2, kv_cells=1024, threads=1, flash_attention="on", draft=str(draft))


@pytest.fixture(scope="module")
def backend(default_model_path: Path) -> Iterator[LlamaBackend]:
    loaded = load(str(default_model_path), settings(default_model_path), NODE, lambda _: None)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def prompt(default_model_path: Path) -> list[int]:
    vocab = Vocab(default_model_path)
    tokens = vocab.tokenize("The radio network has many cells. Each of them")
    vocab.close()
    return tokens


@pytest.fixture
def drafting(backend: LlamaBackend) -> Answers:
    """Requests that ask for the draft model get it at any price: this machine's steps decide nothing."""
    answers = Answers(backend, prefix_cache=False)
    assert backend.draft is not None
    drafts = Drafts(backend.draft)

    def choose(request: Submit) -> Strategy[Sequence]:
        if request.strategy == PLAIN:
            return DECODE
        return Speculate(answers.engine._kv_cache, Source(DraftProposer(drafts), Always(), 4))

    answers.engine._strategies.choose = choose  # type: ignore[method-assign]
    return answers


def test_greedy_answers_take_fewer_steps_beside_a_plain_answer(
    backend: LlamaBackend, prompt: list[int], drafting: Answers
) -> None:
    drafted = drafting.submit(prompt, TOKENS, ignore_eos=True, strategy=Drafted())
    plain = drafting.submit(prompt[:-2], TOKENS, ignore_eos=True)
    drafting.run()
    finished = drafting.finished[drafted]
    assert finished.num_drafted >= finished.num_accepted > TOKENS / 2
    assert finished.num_draft_steps < TOKENS / 2
    assert_same(backend, prompt, drafting.tokens[drafted], alone(backend, prompt, TOKENS, ignore_eos=True))
    wanted = alone(backend, prompt[:-2], TOKENS, ignore_eos=True)
    assert_same(backend, prompt[:-2], drafting.tokens[plain], wanted)


def test_drawn_answers_with_penalties_are_those_of_their_seeds(
    backend: LlamaBackend, prompt: list[int], drafting: Answers
) -> None:
    """A draw close to the border between two tokens may fall to the other side by float noise. The prompt is
    so short that it is computed at once.
    """
    prompt, alike = prompt[:MIN_CHUNK], 0
    for seed in range(4):
        sampling = SamplingParams(temperature=0.8, seed=seed, top_k=20, repeat_penalty=1.2)
        number = drafting.submit(prompt, 12, ignore_eos=True, sampling=sampling, strategy=Drafted())
        drafting.run()
        assert drafting.finished[number].num_drafted > 0
        wanted = alone(backend, prompt, 12, ignore_eos=True, sampling=sampling)
        alike += drafting.tokens[number] == wanted
    assert alike >= 3


def test_memory_counts_the_draft_model_and_the_model_tells_its_file(
    backend: LlamaBackend, default_model_path: Path
) -> None:
    assert backend.info.draft == default_model_path.name
    assert backend.info.size_bytes == 2 * default_model_path.stat().st_size


def test_another_vocabulary_is_refused_with_both_names(default_model_path: Path, tmp_path: Path) -> None:
    """The same model with another text of one token."""
    token, other = (struct.pack("<Q", 5) + text for text in (b"\xc4\xa0the", b"\xc4\xa0t\x01e"))
    content = default_model_path.read_bytes()
    assert content.count(token) >= 1
    changed = tmp_path / "changed.gguf"
    changed.write_bytes(content.replace(token, other, 1))
    with pytest.raises(ModelError) as caught:
        load(str(default_model_path), settings(changed), NODE, lambda _: None)
    assert caught.value.reason == "DIFFERENT_VOCABULARY"
    assert str(changed) in caught.value.message
    assert str(default_model_path) in caught.value.message
