"""Vectors by llama.cpp: sized at the load, the same in any company, and no numbers without meaning."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.models.minilm import Floats, gguf_of, headless_file, read_minilm, reranker_file
from xapp.backend.base import Batch, Pooling
from xapp.backend.llama_embed_load import DEFAULT_CONTEXT, load_embedder
from xapp.backend.llama_embedder import LlamaEmbedder
from xapp.backend.node import this_node
from xapp.backend.vocab import Vocab
from xapp.config import EngineSettings
from xapp.domain.kinds import EMBEDDING, RERANKER, ModelKind
from xapp.errors import ConfigError, ModelError

pytestmark = pytest.mark.slow
TEXTS = ([101, 1037, 3526, 102], [101, 2003, 2091, 1012, 102], [101, *[7170] * 150, 102])


def load(path: Path, kind: ModelKind = EMBEDDING, **settings: Any) -> LlamaEmbedder:
    return load_embedder(str(path), kind, EngineSettings(**settings), this_node(), lambda _: None)


@pytest.fixture(scope="module")
def embedder(minilm_path: Path) -> Iterator[LlamaEmbedder]:
    embedder = load(minilm_path)
    yield embedder
    embedder.close()


def batch_of(*texts: list[int], hurried: bool = True) -> Batch:
    batch = Batch(keeps_cells=False, hurried=hurried)
    for place, tokens in enumerate(texts):
        batch.extend(tokens, 0, place)
        batch.want_output()
    return batch


def vectors(embedder: LlamaEmbedder, *texts: list[int], hurried: bool = True, dimensions: int = 0) -> Floats:
    embedder.decode(batch_of(*texts, hurried=hurried), [])
    data = embedder.vectors(range(len(texts)), dimensions, normalized=embedder.info.kind == EMBEDDING.name)
    return np.frombuffer(data, dtype=np.float32).reshape(len(texts), -1)


def test_it_is_sized_for_what_it_does(embedder: LlamaEmbedder) -> None:
    info = embedder.info
    assert isinstance(embedder, Pooling)
    assert (info.kind, info.dimensions, info.context_length) == ("embedding", 384, DEFAULT_CONTEXT)
    assert (info.kv_cells_total, info.kv_bytes, info.shares_prefixes) == (0, 0, False)
    assert info.num_threads == 1
    assert info.curve is not None
    each_s = [seconds / rows for rows, seconds in zip(info.curve.rows, info.curve.row_s, strict=True)]
    assert each_s == sorted(each_s, reverse=True), "a larger step is no dearer a token"


def test_company_and_thread_change_no_vector(embedder: LlamaEmbedder) -> None:
    together = vectors(embedder, *TEXTS)
    for hurried in (True, False):
        alone = np.concatenate([vectors(embedder, text, hurried=hurried) for text in TEXTS])
        assert (together * alone).sum(axis=1) == pytest.approx([1, 1, 1], abs=1e-4)


def test_a_cut_vector_is_the_beginning_of_the_whole(embedder: LlamaEmbedder) -> None:
    whole, short = vectors(embedder, TEXTS[0])[0], vectors(embedder, TEXTS[0], dimensions=64)[0]
    assert len(short) == 64
    assert short == pytest.approx(whole[:64] / np.linalg.norm(whole[:64]), abs=1e-5)


def test_special_tokens_are_the_model_s(minilm_path: Path) -> None:
    vocab = Vocab(minilm_path)
    single, pair = vocab.frames.single, vocab.frames.pair
    assert (single.begin, single.between, single.end) == ((101,), (), (102,))
    assert (pair.begin, pair.between, pair.end) == ((101,), (102,), (102,))
    assert vocab.tokenize("a [SEP] b").count(102) == 0
    vocab.close()


def test_a_reranker_gives_a_number_for_a_pair(minilm_cache: Path) -> None:
    ranker = load(reranker_file(minilm_cache), RERANKER)
    try:
        assert ranker.info.dimensions == 1
        pairs = ([101, 1037, 102, 3526, 102], [101, 1037, 102, 2091, 102])
        scores = vectors(ranker, *pairs)
        assert scores.shape == (2, 1)
        # Kernels for other numbers of rows round activations the other way: less than a pair's number tells.
        noise = abs(vectors(ranker, pairs[0])[0] - scores[0])
        assert noise < abs(scores[0] - scores[1]) / 10
    finally:
        ranker.close()


def test_a_reranker_without_its_head_is_refused(minilm_cache: Path, minilm_path: Path) -> None:
    for path in (headless_file(minilm_cache), minilm_path):
        with pytest.raises(ModelError, match=r"cls\.output\.weight") as caught:
            load(path, RERANKER)
        assert caught.value.reason == "NO_RANKING_HEAD"


def test_a_model_whose_vectors_are_not_finite_is_refused(minilm_cache: Path, tmp_path: Path) -> None:
    model = read_minilm(minilm_cache)
    name = "embeddings.LayerNorm.bias"
    broken = dataclasses.replace(
        model, tensors=model.tensors | {name: np.full_like(model.tensors[name], np.nan)}
    )
    path = tmp_path / "nan.gguf"
    path.write_bytes(gguf_of(broken, {}, 1))
    with pytest.raises(ModelError, match="not finite") as caught:
        load(path)
    assert caught.value.reason == "SELF_TEST_FAILED"


def test_a_causal_model_forgets_the_texts_of_the_last_step(shallow_model_path: Path) -> None:
    """Its cells are those of one step. Without that, the second text would be computed behind the first."""
    embedder = load(shallow_model_path)
    try:
        first = vectors(embedder, [5, 6, 7, 8])
        vectors(embedder, [9] * 100, [10] * 50)
        assert vectors(embedder, [5, 6, 7, 8]) == pytest.approx(first, abs=1e-5)
    finally:
        embedder.close()


def test_a_longer_context_than_the_model_is_made_for_is_refused(minilm_path: Path) -> None:
    with pytest.raises(ConfigError, match="XAPP_CONTEXT_LENGTH"):
        load(minilm_path, context_length=513)
