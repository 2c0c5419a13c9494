"""The fields of retrieval that every port takes: filters, metadata, and the passages that an answer wants."""

import json
import math
import sys
from collections.abc import Mapping
from typing import Any

from xapp.domain.grounding import DEFAULT_CONTEXT_TOKENS, MAX_SOURCES, Grounding, NothingFound
from xapp.domain.metadata import Condition, Filter, Metadata, Scalar
from xapp.domain.search import DEFAULT_TOP_K, MAX_QUERY_CHARS
from xapp.errors import InvalidArgument

MAX_NAMES = 32
MAX_NAME_CHARS = 64
MAX_VALUES = 100
MAX_METADATA_BYTES = 4096
MAX_COLLECTION_CHARS = 64
MIN_CONTEXT_TOKENS = 16
MAX_CONTEXT_TOKENS = 1_000_000
_ASKED = frozenset(("at_least", "at_most", "not"))


def to_metadata(field: str, given: Mapping[str, Any]) -> Metadata:
    """What a filter can ask for. Raises InvalidArgument."""
    _check_names(field, given)
    metadata = {name: _scalar(f"{field}.{name}", value) for name, value in given.items()}
    if (size := len(json.dumps(metadata, ensure_ascii=False).encode(errors="replace"))) > MAX_METADATA_BYTES:
        raise InvalidArgument(field, f"has {size:,} bytes, at most {MAX_METADATA_BYTES:,} are taken")
    return metadata


def to_filter(field: str, given: Mapping[str, Any]) -> Filter:
    """A value means equal, a list means one of them, an object has at_least, at_most and not.

    Raises InvalidArgument.
    """
    _check_names(field, given)
    return tuple(_condition(f"{field}.{name}", name, value) for name, value in sorted(given.items()))


def _check_names(field: str, given: Mapping[str, Any]) -> None:
    if len(given) > MAX_NAMES:
        raise InvalidArgument(field, f"has {len(given)} names, at most {MAX_NAMES} are taken")
    for name in given:
        if not 1 <= len(name) <= MAX_NAME_CHARS or not name.isprintable():
            raise InvalidArgument(field, f"has a name that is not 1 to {MAX_NAME_CHARS} printable characters")


def _condition(field: str, name: str, value: Any) -> Condition:
    if not isinstance(value, Mapping):
        return Condition(name, one_of=_scalars(field, value))
    if not value or (unknown := value.keys() - _ASKED):
        shown = f", not {sorted(unknown)[0][:32]!r}" if value else ""
        raise InvalidArgument(field, f"takes at_least, at_most and not{shown}")
    return Condition(
        name,
        none_of=_scalars(f"{field}.not", value["not"]) if "not" in value else None,
        at_least=_bound(field, value, "at_least"),
        at_most=_bound(field, value, "at_most"),
    )


def _bound(field: str, value: Mapping[str, Any], name: str) -> Scalar | None:
    return _scalar(f"{field}.{name}", value[name]) if name in value else None


def _scalars(field: str, value: Any) -> tuple[Scalar, ...]:
    values = value if isinstance(value, list) else [value]
    if len(values) > MAX_VALUES:
        raise InvalidArgument(field, f"has {len(values)} values, at most {MAX_VALUES} are taken")
    return tuple(_scalar(field, each) for each in values)


def _scalar(field: str, value: Any) -> Scalar:
    if isinstance(value, bool) or (isinstance(value, str) and "\0" not in value):
        return value
    # A whole number in JSON may be beyond every float.
    if isinstance(value, int | float) and abs(value) <= sys.float_info.max:
        return float(value)
    raise InvalidArgument(field, "must be a text, a finite number or a boolean")


def to_grounding(
    collection: str,
    scope: str,
    *,
    top_k: int | None,
    min_score: float,
    condition: Mapping[str, Any],
    max_context_tokens: int | None,
    on_nothing: NothingFound,
    query: str,
) -> Grounding:
    """The passages that an answer wants. Raises InvalidArgument with the field."""
    return Grounding(
        collection=collection_name("retrieval.collection", collection),
        top_k=DEFAULT_TOP_K if top_k is None else within("retrieval.top_k", top_k, 1, MAX_SOURCES),
        min_score=score("retrieval.min_score", min_score),
        filter=to_filter("retrieval.filter", condition),
        max_context_tokens=DEFAULT_CONTEXT_TOKENS
        if max_context_tokens is None
        else within(
            "retrieval.max_context_tokens", max_context_tokens, MIN_CONTEXT_TOKENS, MAX_CONTEXT_TOKENS
        ),
        on_nothing=on_nothing,
        query=short("retrieval.query", query, MAX_QUERY_CHARS),
        scope=scope,
    )


def collection_name(field: str, name: str) -> str:
    """The name of a collection. Raises InvalidArgument."""
    if not name:
        raise InvalidArgument(field, "is empty")
    return short(field, name, MAX_COLLECTION_CHARS)


def short(field: str, text: str, most: int) -> str:
    """A text of at most so many characters. Raises InvalidArgument."""
    if len(text) > most:
        raise InvalidArgument(field, f"has {len(text):,} characters, at most {most:,} are taken")
    return text


def within(field: str, value: int, least: int, most: int) -> int:
    """A number in a range. Raises InvalidArgument."""
    if not least <= value <= most:
        raise InvalidArgument(field, f"is {value}: it must be {least} to {most:,}")
    return value


def score(field: str, value: float) -> float:
    """A least score. Raises InvalidArgument."""
    if not (math.isfinite(value) and 0 <= value <= 1):
        raise InvalidArgument(field, f"is {value:g}: it must be 0 to 1")
    return value
