"""What every engine of collections promises: files of SQLite, and PostgreSQL with pgvector."""

from collections.abc import Iterator

import pytest

from tests.fake_embedding import vector_of
from tests.retrieval.conftest import MakeStores
from tests.retrieval.making import INFO, KEY, TEXTS, document, filled, texts_of
from xapp.domain.embedding import pack
from xapp.domain.metadata import Condition
from xapp.errors import AlreadyExists
from xapp.retrieval.store.base import Key, Stores, VectorStore


@pytest.fixture
def stores(make_stores: MakeStores) -> Stores:
    stores = make_stores()
    stores.all_keys()
    return stores


@pytest.fixture
def store(stores: Stores) -> Iterator[VectorStore]:
    store = stores.create(KEY, INFO)
    yield store
    store.close()


def test_a_new_collection_is_empty_and_described(stores: Stores, store: VectorStore) -> None:
    info = store.info()
    assert (info.name, info.owner, info.num_documents, info.num_passages) == ("docs", "", 0, 0)
    assert info.embedding_digest == INFO.embedding_digest
    assert info.created == INFO.created
    assert stores.all_keys() == [KEY]
    store.close()


def test_a_name_is_taken_once_by_each_owner(stores: Stores, store: VectorStore) -> None:
    with pytest.raises(AlreadyExists):
        stores.create(KEY, INFO)
    other = stores.create(Key("ab" * 16, "docs"), INFO)
    assert set(stores.all_keys()) == {KEY, Key("ab" * 16, "docs")}
    for each in (store, other):
        each.close()


def test_documents_are_found_by_words(store: VectorStore) -> None:
    found = filled(store).by_words(["technician", "fan"], 5, ())
    assert texts_of(store, [each.passage for each in found]) == ["A technician replaces the fan."]
    assert found[0].score > 0
    assert store.by_words(["nothing"], 5, ()) == store.by_words([], 5, ()) == []


def test_words_are_found_in_another_form(store: VectorStore) -> None:
    found = filled(store).by_words(["neighbours"], 5, ())
    assert texts_of(store, [each.passage for each in found]) == ["The neighbour list is wrong."]


@pytest.mark.parametrize("word", ['"', "a OR b", "NEAR(x)", "*", "') --", "ünïcode"])
def test_a_word_is_no_query_language(store: VectorStore, word: str) -> None:
    assert filled(store).by_words([word.replace('"', "")], 5, ()) == []


def test_documents_are_found_by_vectors_the_nearest_first(store: VectorStore) -> None:
    vector = pack(vector_of("handover failures"))
    found = filled(store).by_vector(vector, 2, ())
    assert texts_of(store, [each.passage for each in found])[0] == "Handover failures rise."
    assert len(found) == 2
    assert found[0].score > found[1].score
    cosines = store.cosines(vector, [each.passage for each in found])
    assert cosines == pytest.approx({each.passage: each.score for each in found}, abs=1e-5)


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        (Condition("year", one_of=(2021.0,)), {"b.md"}),
        (Condition("year", at_least=2021.0), {"b.md", "c.md"}),
        (Condition("year", at_most=2020.0), {"a.md"}),
        (Condition("kind", none_of=("bill",)), {"a.md", "b.md"}),
        (Condition("kind", at_least="c"), {"a.md", "b.md"}),
        (Condition("kind", at_least=3.0), set()),
        (Condition("nothing", one_of=("x",)), set()),
    ],
)
def test_a_filter_holds_for_words_and_vectors(
    store: VectorStore, condition: Condition, names: set[str]
) -> None:
    vector = pack(vector_of("anything"))
    found = filled(store).by_vector(vector, 50, (condition,))
    assert {each.document for each in store.passages([hit.passage for hit in found])} == names
    words = [text.split()[-1].strip(".") for texts in TEXTS.values() for text in texts]
    found = store.by_words(words, 50, (condition,))
    assert {each.document for each in store.passages([hit.passage for hit in found])} == names


def test_a_document_that_comes_again_takes_the_place_of_the_old(store: VectorStore) -> None:
    assert filled(store).by_vector(pack(vector_of("cell")), 9, ())  # the vectors are in memory now
    assert store.put(document("a.md", ["A new text about antennas."], digest="d2"))
    assert store.digest_of("a.md") == ("d2", 1)
    assert store.info().num_passages == 4
    assert store.by_words(["technician"], 5, ()) == []
    near = store.by_vector(pack(vector_of("A new text about antennas.")), 9, ())
    assert texts_of(store, [near[0].passage]) == ["A new text about antennas."]
    assert near[0].score == pytest.approx(1.0, abs=1e-5)
    assert len(near) == 4


def test_documents_go_by_id_and_by_filter(store: VectorStore) -> None:
    filled(store)
    assert store.remove(["a.md", "unknown"], ()) == 1
    assert store.remove(None, (Condition("kind", one_of=("bill",)),)) == 1
    assert [each.id for each in store.documents("", 10)] == ["b.md"]
    assert store.by_words(["technician", "billing"], 5, ()) == []
    assert len(store.by_vector(pack(vector_of("x")), 9, ())) == 2


def test_documents_are_listed_by_id_in_parts(store: VectorStore) -> None:
    filled(store)
    first = store.documents("", 2)
    assert [each.id for each in first] == ["a.md", "b.md"]
    assert (first[0].title, first[0].num_passages, first[0].metadata["year"]) == ("Title of a.md", 2, 2020.0)
    assert [each.id for each in store.documents("b.md", 2)] == ["c.md"]


def test_everything_is_there_after_a_new_start(make_stores: MakeStores) -> None:
    stores = make_stores()
    stores.all_keys()
    filled(stores.create(KEY, INFO)).close()
    stores.close()
    again = make_stores()
    assert KEY in again.all_keys()
    store = again.open(KEY)
    assert store.info().num_passages == 5
    assert store.digest_of("a.md") == ("d1", 2)
    assert store.digest_of("unknown") == ("", 0)
    assert store.by_vector(pack(vector_of("cell")), 9, ())
    store.forget()
    assert store.cached_bytes == 0
    assert store.by_vector(pack(vector_of("cell")), 9, ())
    store.close()


def test_a_collection_that_is_dropped_is_gone(stores: Stores, store: VectorStore) -> None:
    filled(store).close()
    stores.drop(KEY)
    assert stores.all_keys() == []
    new = stores.create(KEY, INFO)
    assert new.info().num_passages == 0
    new.close()
