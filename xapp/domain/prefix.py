"""Shared prefixes of prompts: rules for both the scheduler and admission."""

MIN_PREFIX = 8
"""Shorter common prefixes are computed again: sharing costs a call and keeps the source in use."""
PARKED_SHARE = 0.5
"""Bound of parked prefixes, as a share of the KV cache's size."""
PINNED_SHARE = 0.5
"""The share of the room for parked prefixes that pinned prefixes may use."""


def most_parked(num_cells: int) -> int:
    """Most tokens of all parked prefixes, of a KV cache with `num_cells` cells."""
    return int(num_cells * PARKED_SHARE)


def most_pinned(num_cells: int) -> int:
    """Most tokens of all pinned prefixes. A longer prefix is never pinned."""
    return int(most_parked(num_cells) * PINNED_SHARE)


def common_prefix(a: list[int], b: list[int]) -> int:
    """Length of the longest common prefix; compares slices, so it runs at C speed."""
    low, high = 0, min(len(a), len(b))
    if a[:high] == b[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle
    return low
