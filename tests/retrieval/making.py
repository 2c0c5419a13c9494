"""Collections, documents and vectors for tests of the stores."""

from collections.abc import Mapping, Sequence

from tests.fake_embedding import DIGEST, DIMENSIONS, MODEL, vector_of
from xapp.domain.collection import CollectionInfo
from xapp.domain.documents import Passage
from xapp.domain.embedding import pack
from xapp.domain.metadata import Scalar
from xapp.retrieval.store.base import Key, StoredDocument, StoredPassage, VectorStore

KEY = Key("", "docs")
INFO = CollectionInfo(
    "docs", embedding_model=MODEL, embedding_digest=DIGEST, dimensions=DIMENSIONS, created=1_700_000_000.5
)
TEXTS = {
    "a.md": ["The cell is down.", "A technician replaces the fan."],
    "b.md": ["Handover failures rise.", "The neighbour list is wrong."],
    "c.md": ["Billing runs at night."],
}


def passage(text: str, title: str = "Title") -> Passage:
    return Passage(text, title, 0, len(text), pack(vector_of(text)))


def document(
    name: str, texts: Sequence[str], metadata: Mapping[str, Scalar] | None = None, digest: str = "d1"
) -> StoredDocument:
    return StoredDocument(name, digest, f"Title of {name}", metadata or {}, [passage(text) for text in texts])


def filled(store: VectorStore) -> VectorStore:
    """Three documents with a year each."""
    for year, (name, texts) in enumerate(TEXTS.items(), 2020):
        store.put(document(name, texts, {"year": float(year), "kind": "note" if name < "c" else "bill"}))
    return store


def texts_of(store: VectorStore, numbers: Sequence[int]) -> list[str]:
    """The texts of passages, in the order of their numbers."""
    found: dict[int, StoredPassage] = {each.number: each for each in store.passages(numbers)}
    return [found[number].passage.text for number in numbers]
