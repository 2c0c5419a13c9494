"""Whether a document's metadata fit a filter."""

from collections.abc import Sequence

from xapp.domain.metadata import Condition, Filter, Metadata, Scalar


def fits(metadata: Metadata, condition: Filter) -> bool:
    """Whether all conditions hold. A name that a document lacks fits only `none_of`."""
    return all(_holds(metadata.get(each.name), each) for each in condition)


def _holds(value: Scalar | None, condition: Condition) -> bool:
    if condition.none_of is not None and _is_in(value, condition.none_of):
        return False
    if condition.one_of is not None and not _is_in(value, condition.one_of):
        return False
    return _within(value, condition)


def _is_in(value: Scalar | None, values: Sequence[Scalar]) -> bool:
    """True is not 1 here, although Python says so."""
    return any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in values)


def _within(value: Scalar | None, condition: Condition) -> bool:
    low, high = condition.at_least, condition.at_most
    if low is not None and not (_is_comparable(value, low) and value >= low):  # type: ignore[operator]
        return False
    return high is None or (_is_comparable(value, high) and value <= high)  # type: ignore[operator]


def _is_comparable(value: Scalar | None, bound: Scalar) -> bool:
    """Texts compare with texts, numbers with numbers."""
    if isinstance(value, bool) or isinstance(bound, bool) or value is None:
        return False
    return isinstance(value, str) == isinstance(bound, str)
