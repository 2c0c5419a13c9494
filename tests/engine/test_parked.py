"""What is kept outside the cache, and for how long."""

from hypothesis import given
from hypothesis import strategies as st

from xapp.domain.prefix import common_prefix
from xapp.engine.parked import ParkedPrefix, ParkedPrefixes


def parked(tokens: list[int]) -> ParkedPrefix:
    return ParkedPrefix(tokens, None)


def test_the_least_recently_used_goes_first() -> None:
    store = ParkedPrefixes(40)
    old, young, new = parked([1] * 8), parked([2] * 8), parked([3] * 8)
    store.add(old)
    store.add(young)
    store.touch(old)
    store.make_room(8)
    store.add(new)
    assert list(store) == [old, new]


def test_what_has_gone_can_be_touched_and_dropped() -> None:
    store = ParkedPrefixes(40)
    gone = parked([1] * 8)
    store.touch(gone)
    store.drop(gone)
    assert list(store) == []


@given(st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=12), max_size=20))
def test_it_is_bounded_and_holds_nothing_twice(prefixes: list[list[int]]) -> None:
    store = ParkedPrefixes(48)
    for tokens in prefixes:
        if store.wants(tokens):
            store.make_room(len(tokens))
            store.add(parked(tokens))
        assert store.cells <= 24
    kept = [prefix.tokens for prefix in store]
    for tokens in kept:
        covered = [
            other for other in kept if other is not tokens and common_prefix(other, tokens) == len(tokens)
        ]
        assert not covered


def test_what_is_larger_than_all_the_room_is_not_wanted() -> None:
    assert not ParkedPrefixes(8).wants([1] * 5)


def test_pinned_prefixes_stay_whatever_comes() -> None:
    store = ParkedPrefixes(80)
    pinned = parked([1] * 8)
    assert store.wants_pinned(pinned.tokens)
    store.pin(pinned)
    assert not store.wants_pinned([1] * 8)
    for number in range(2, 30):
        tokens = [number] * 20
        assert store.wants(tokens)
        store.make_room(len(tokens))
        store.add(parked(tokens))
        assert store.cells <= 40
    store.drop(pinned)
    store.add(parked([1] * 12))
    assert next(iter(store)) is pinned


def test_pinned_prefixes_have_a_share_and_leave_the_rest() -> None:
    store = ParkedPrefixes(80)
    assert not store.wants_pinned([1] * 21)
    first, second = parked([1] * 12), parked([2] * 12)
    store.pin(first)
    store.pin(second)
    assert list(store) == [second]
    assert store.wants([3] * 28)
    assert not store.wants([3] * 29)


def test_pinning_makes_room() -> None:
    store = ParkedPrefixes(80)
    store.add(parked([1] * 30))
    store.pin(parked([2] * 12))
    assert [prefix.tokens[0] for prefix in store] == [2]
