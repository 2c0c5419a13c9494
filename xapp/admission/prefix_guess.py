"""PrefixGuess: how much of a prompt will come from the cache, by comparison with earlier prompts."""

from collections import deque

from xapp.domain.messages import Submit
from xapp.domain.prefix import MIN_PREFIX, common_prefix

MAX_PROMPTS = 16


class PrefixGuess:
    """Remembers the last prompts, `max_tokens` tokens at most: about the contents of the worker's cache."""

    def __init__(self, max_tokens: int) -> None:
        self._max_tokens = max_tokens
        self._num_tokens = 0
        self._prompts: deque[tuple[str, list[int]]] = deque()

    def add(self, submit: Submit) -> None:
        """Adds a prompt that is being computed."""
        self._prompts.append((submit.scope, submit.prompt))
        self._num_tokens += len(submit.prompt)
        while len(self._prompts) > MAX_PROMPTS or self._num_tokens > self._max_tokens:
            self._num_tokens -= len(self._prompts.popleft()[1])

    def num_cached(self, prompt: list[int], scope: str) -> int:
        """Tokens of `prompt` that earlier prompts of the scope share.

        The last token is always left to compute.
        """
        start = prompt[:MIN_PREFIX]
        ours = (each for within, each in self._prompts if within == scope)
        alike = (each for each in ours if each[:MIN_PREFIX] == start)
        longest = max((common_prefix(each, prompt) for each in alike), default=0)
        longest = min(longest, len(prompt) - 1)
        return longest if longest >= MIN_PREFIX else 0
