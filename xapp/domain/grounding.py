"""Answers with passages of a collection: what a request asks for, and what its prompt gets."""

import enum
from dataclasses import dataclass

from xapp.domain.metadata import Filter
from xapp.domain.search import DEFAULT_TOP_K

MAX_SOURCES = 20
DEFAULT_CONTEXT_TOKENS = 1024


class NothingFound(enum.Enum):
    """What becomes of a request without a passage: it fails, or its answer says that nothing was found."""

    FAIL = enum.auto()
    ABSTAIN = enum.auto()


@dataclass(frozen=True, slots=True)
class Grounding:
    """The passages that a request for an answer wants. `query` "" is the last user message. `scope` decides
    which collections the caller sees.
    """

    collection: str
    top_k: int = DEFAULT_TOP_K
    min_score: float = 0.0
    filter: Filter = ()
    max_context_tokens: int = DEFAULT_CONTEXT_TOKENS
    on_nothing: NothingFound = NothingFound.FAIL
    query: str = ""
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A passage in the prompt of an answer, cited by its number as [1]."""

    number: int
    collection: str
    document: str
    title: str
    start: int
    end: int
    score: float
    digest: str
