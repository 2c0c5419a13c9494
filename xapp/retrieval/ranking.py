"""How passages are ranked: two lists joined by reciprocal rank fusion, and the score of a hit."""

from collections.abc import Iterable, Sequence

from xapp.retrieval.store.base import Found

K = 60
"""The usual constant: it decides how much more a first place counts than a tenth."""
HALF_BM25 = 10.0
"""The BM25 score that makes a score of 0.5."""


def fused(lists: Iterable[Sequence[Found]]) -> list[int]:
    """Passages by the sum of 1 / (K + rank), the best first. Among equals the first that came."""
    sums: dict[int, float] = {}
    for found in lists:
        for rank, each in enumerate(found, 1):
            sums[each.passage] = sums.get(each.passage, 0.0) + 1 / (K + rank)
    return sorted(sums, key=lambda passage: -sums[passage])


def score_of(relevance: float | None, cosine: float | None, bm25: float | None) -> float:
    """0 to 1: the reranker's relevance, else the cosine, else b / (b + HALF_BM25) of BM25."""
    if relevance is not None:
        return _within(relevance)
    if cosine is not None:
        return _within(cosine)
    return 0.0 if bm25 is None or bm25 <= 0 else bm25 / (bm25 + HALF_BM25)


def _within(value: float) -> float:
    return min(1.0, max(0.0, value))
