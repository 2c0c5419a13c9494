"""The word error rate: the share of words that were put in, left out or changed."""

import re

_NOT_WORDS = re.compile(r"[^a-z' ]+")


def words(text: str) -> list[str]:
    """Lower case, without punctuation."""
    return _NOT_WORDS.sub(" ", text.lower().replace("-", " ")).split()


def num_errors(said: str, heard: str) -> int:
    """The fewest changes that make the one text of the other."""
    wanted, found = words(said), words(heard)
    costs = list(range(len(found) + 1))
    for row, word in enumerate(wanted, 1):
        diagonal, costs[0] = costs[0], row
        for column, other in enumerate(found, 1):
            changed = diagonal + (word != other)
            diagonal = costs[column]
            costs[column] = min(changed, costs[column] + 1, costs[column - 1] + 1)
    return costs[-1]
