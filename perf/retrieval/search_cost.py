"""The CPU time of a search, in a process of its own: a collection of a given size, words and vectors.

The texts are those of a corpus, again and again. The vectors are random, which costs the search the same.
"""

import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from perf.retrieval.corpus import Text
from xapp.domain.collection import CollectionInfo
from xapp.domain.documents import Passage
from xapp.domain.search import SearchMode, SearchRequest
from xapp.retrieval.search import CANDIDATES, hits_of
from xapp.retrieval.store.base import Key, StoredDocument, VectorStore
from xapp.retrieval.store.sqlite_folder import SqliteStores

DIMENSIONS = 384
MAX_BYTES = 1 << 30
_DOCUMENT = 50


def costs_ms(texts: Sequence[Text], queries: Sequence[str], num_passages: int, seed: int) -> list[float]:
    """CPU milliseconds of each search, all threads of this process together."""
    random = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        stores = SqliteStores(Path(folder), MAX_BYTES)
        info = CollectionInfo("c", embedding_model="m", embedding_digest="d", dimensions=DIMENSIONS)
        with closing(stores.create(Key("", "c"), info)) as store:
            _fill(store, texts, num_passages, random)
            found = [_cost_ms(store, query, _vector(random)) for query in (queries[0], *queries)]
    # The first search reads the vectors.
    return found[1:]


def _fill(store: VectorStore, texts: Sequence[Text], num_passages: int, random: np.random.Generator) -> None:
    passages = [passage for text in texts for passage in text.passages]
    for start in range(0, num_passages, _DOCUMENT):
        some = [
            Passage(each.text, each.title, each.start, each.end, _vector(random))
            for number in range(start, min(start + _DOCUMENT, num_passages))
            for each in (passages[number % len(passages)],)
        ]
        store.put(StoredDocument(f"d{start}", "d", "t", {}, some))


def _cost_ms(store: VectorStore, query: str, vector: bytes) -> float:
    request = SearchRequest("c", query)
    begun = time.process_time()
    hits_of(store, request, SearchMode.HYBRID, vector, CANDIDATES)
    return 1000 * (time.process_time() - begun)


def _vector(random: np.random.Generator) -> bytes:
    vector = random.normal(size=DIMENSIONS).astype(np.float32)
    return (vector / np.linalg.norm(vector)).tobytes()
