"""What a worker keeps of a vocabulary is what the vocabulary says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from xapp.backend.llama_model import load_model
from xapp.backend.llama_pieces import Pieces, vocabulary
from xapp.backend.native import llama
from xapp.backend.vocab import Vocab

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def vocab(default_model_path: Path) -> Iterator[Vocab]:
    loaded = Vocab(default_model_path)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def pieces(vocab: Vocab) -> Pieces:
    return Pieces(vocab._vocab)


def test_every_token_writes_the_same_bytes(vocab: Vocab, pieces: Pieces) -> None:
    assert pieces.size == vocab.size
    assert all(pieces.piece(token) == vocab.piece(token) for token in range(vocab.size))


def test_the_same_tokens_end_an_answer(vocab: Vocab, pieces: Pieces) -> None:
    assert pieces.ends == {token for token in range(vocab.size) if vocab.is_end(token)}


def test_the_table_has_the_first_byte_of_what_writes(vocab: Vocab, pieces: Pieces) -> None:
    table = pieces.table
    firsts = [piece[0] if (piece := vocab.piece(token)) else -1 for token in range(vocab.size)]
    assert table.first_byte.tolist() == [
        -1 if token in pieces.ends else first for token, first in enumerate(firsts)
    ]
    assert table.ends.tolist() == sorted(pieces.ends)
    found = table.beginning_with(frozenset(b"{")).tolist()
    assert found == [token for token in range(vocab.size) if firsts[token] == ord("{")]


def test_a_model_without_its_vocabulary_has_as_many_tokens(default_model_path: Path) -> None:
    path = str(default_model_path)
    with vocabulary(path) as (native, facts):
        model = load_model(path, 0, lambda _: None, without=facts)
        whole = llama.llama_vocab_n_tokens(native)
    try:
        vocab = llama.llama_model_get_vocab(model)
        assert llama.llama_vocab_n_tokens(vocab) == whole == facts.num_tokens
        assert llama.llama_vocab_type(vocab) == llama.LLAMA_VOCAB_TYPE_NONE
    finally:
        llama.llama_model_free(model)
