"""Prefixes of prompts that computations share: what the scheduler does, and admission foresees."""

MIN_PREFIX = 8
"""Shorter common prefixes are computed again: sharing costs a call and keeps the source busy."""
PARKED_SHARE = 0.5
"""Parked prefixes take at most this share of the KV cache's size again."""


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
