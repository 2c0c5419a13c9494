"""Shared prefixes of prompts: rules for both the scheduler and admission."""

MIN_PREFIX = 8
"""Shorter common prefixes are computed again: sharing costs a call and keeps the source in use."""
PARKED_SHARE = 0.5
"""Bound of parked prefixes, as a share of the KV cache's size."""


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
