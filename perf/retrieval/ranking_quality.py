"""How well passages are found: recall and mean reciprocal rank, by words, vectors, both, a reranker."""

from collections.abc import Iterator, Sequence

from perf.retrieval.corpus import Asked, Place, Text
from xapp.client import Client
from xapp.retrieval.v1 import retrieval_pb2 as pb

TOP_K = 10
WAYS = {
    "words": (pb.SEARCH_MODE_WORDS, False),
    "vectors": (pb.SEARCH_MODE_VECTORS, False),
    "hybrid": (pb.SEARCH_MODE_HYBRID, False),
    "reranked": (pb.SEARCH_MODE_HYBRID, True),
}


async def store(client: Client, collection: str, texts: Sequence[Text]) -> None:
    """A new collection with the corpus."""
    await client.create_collection(collection)
    for text in texts:
        passages = [
            pb.Passage(text=each.text, title=each.title, start=each.start, end=each.end)
            for each in text.passages
        ]
        await client.upsert(collection, [pb.Document(id=text.id, passages=passages)])


async def rank_of(client: Client, collection: str, asked: Asked, way: str) -> int:
    """The rank of the first relevant passage, from 1; 0 where none is among the first TOP_K."""
    mode, rerank = WAYS[way]
    found = await client.search(collection, asked.query, top_k=TOP_K, mode=mode, rerank=rerank)
    places = [Place(hit.document, hit.start) for hit in found.hits]
    return next((rank for rank, place in enumerate(places, 1) if place in asked.relevant), 0)


def figures(ranks: Sequence[int]) -> Iterator[tuple[str, list[float]]]:
    """For each figure its value for each question: their mean is the figure."""
    for most in (1, 5, TOP_K):
        yield f"recall@{most}", [float(0 < rank <= most) for rank in ranks]
    yield f"MRR@{TOP_K}", [1 / rank if rank else 0.0 for rank in ranks]
