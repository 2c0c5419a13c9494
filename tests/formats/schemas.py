"""Random JSON schemas of the part that is supported, none of them contradictory."""

from typing import Any

from hypothesis import strategies as st

_NAMES = st.sampled_from(["a", "b", "cell id", 'quo"te', "é€", "x/y~z"])
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1000, 1000),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
)
_PATTERNS = st.sampled_from(
    [
        "^[A-Z]{2}-[0-9]+$",
        "a+b|^c$",
        r"^\d{3}(\.\d)?$",
        r'^["\\/\n]+$',
        "(x|y)*z",
        r"^\w+\s\D$",
        "^.$",
        "^(a*)*$",
        "^[^a-z]é?$",
    ]
)


def _bounds(
    low_key: str, high_key: str, numbers: st.SearchStrategy[Any]
) -> st.SearchStrategy[dict[str, Any]]:
    def bounded(pair: tuple[Any, Any]) -> st.SearchStrategy[dict[str, Any]]:
        low, high = sorted(pair)
        return st.sampled_from([{low_key: low, high_key: high}, {low_key: low}, {high_key: high}, {}])

    return st.tuples(numbers, numbers).flatmap(bounded)


def _integers() -> st.SearchStrategy[dict[str, Any]]:
    return _bounds("minimum", "maximum", st.integers(-(10**6), 10**6)).map(lambda b: {"type": "integer", **b})


def _numbers() -> st.SearchStrategy[dict[str, Any]]:
    numbers = st.integers(-(10**5), 10**5).map(lambda number: number / 100)
    return _bounds("minimum", "maximum", numbers).map(lambda b: {"type": "number", **b})


def _strings() -> st.SearchStrategy[dict[str, Any]]:
    lengths = _bounds("minLength", "maxLength", st.integers(0, 6))
    return st.one_of(
        lengths.map(lambda bounds: {"type": "string", **bounds}),
        _PATTERNS.map(lambda pattern: {"type": "string", "pattern": pattern}),
    )


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    def required(properties: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
        names = st.lists(st.sampled_from(sorted(properties)), unique=True) if properties else st.just([])
        return names.map(lambda some: {"type": "object", "properties": properties, "required": some})

    closed = st.dictionaries(_NAMES, inner, max_size=4).flatmap(required)
    return closed | inner.map(lambda values: {"type": "object", "additionalProperties": values})


def _arrays(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    counts = _bounds("minItems", "maxItems", st.integers(0, 3))
    return st.tuples(inner, counts).map(lambda both: {"type": "array", "items": both[0], **both[1]})


def schemas() -> st.SearchStrategy[Any]:
    """Values, not text."""
    leaves = st.one_of(
        _integers(),
        _numbers(),
        _strings(),
        st.just({"type": "boolean"}),
        st.just({"type": ["string", "null", "integer"]}),
        st.just(True),
        st.just({"description": "anything", "type": "array"}),
        st.lists(_SCALARS, min_size=1, max_size=4).map(lambda values: {"enum": values}),
        st.recursive(_SCALARS, lambda items: st.lists(items, max_size=2), max_leaves=3).map(
            lambda value: {"const": value}
        ),
    )

    def grow(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        options = st.lists(inner, min_size=1, max_size=3).map(lambda some: {"anyOf": some})
        return st.one_of(_objects(inner), _arrays(inner), options)

    return st.recursive(leaves, grow, max_leaves=5)
