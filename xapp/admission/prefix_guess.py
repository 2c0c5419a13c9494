"""PrefixGuess: how much of a prompt will come from the cache, by comparison with earlier prompts."""

from collections import OrderedDict, deque

from xapp.domain.messages import Submit
from xapp.domain.prefix import MIN_PREFIX, common_prefix

MAX_PROMPTS = 16
"""Remembered prompts of each scope."""
MAX_SCOPES = 256


class PrefixGuess:
    """Remembers the last prompts of each scope, `max_tokens` tokens at most: about the contents of the
    worker's cache.

    Prompts of one scope push out no prompts of another scope that has fewer tokens here.
    """

    def __init__(self, max_tokens: int) -> None:
        self._max_tokens = max_tokens
        self._num_tokens = 0
        self._scopes: OrderedDict[str, _Prompts] = OrderedDict()

    def add(self, submit: Submit) -> None:
        """Adds a prompt that is being computed."""
        prompts = self._scopes.setdefault(submit.scope, _Prompts())
        self._scopes.move_to_end(submit.scope)
        self._num_tokens += prompts.add(submit.prompt)
        if len(prompts) > MAX_PROMPTS:
            self._drop_oldest(submit.scope)
        if len(self._scopes) > MAX_SCOPES:
            self._num_tokens -= self._scopes.popitem(last=False)[1].num_tokens
        while self._num_tokens > self._max_tokens:
            self._drop_oldest(max(self._scopes, key=lambda scope: self._scopes[scope].num_tokens))

    def _drop_oldest(self, scope: str) -> None:
        prompts = self._scopes[scope]
        self._num_tokens -= prompts.drop_oldest()
        if not prompts:
            del self._scopes[scope]

    def num_cached(self, prompt: list[int], scope: str) -> int:
        """Tokens of `prompt` that earlier prompts of the scope share.

        The last token is always left to compute.
        """
        prompts = self._scopes.get(scope)
        longest = min(prompts.longest_shared(prompt), len(prompt) - 1) if prompts else 0
        return longest if longest >= MIN_PREFIX else 0


class _Prompts:
    """The prompts of one scope, the oldest first."""

    def __init__(self) -> None:
        self._prompts: deque[list[int]] = deque()
        self.num_tokens = 0

    def __len__(self) -> int:
        return len(self._prompts)

    def add(self, prompt: list[int]) -> int:
        """Returns its number of tokens."""
        self._prompts.append(prompt)
        self.num_tokens += len(prompt)
        return len(prompt)

    def drop_oldest(self) -> int:
        """Returns its number of tokens."""
        length = len(self._prompts.popleft())
        self.num_tokens -= length
        return length

    def longest_shared(self, prompt: list[int]) -> int:
        """Tokens that the prompt shares with the prompt that is most like it."""
        start = prompt[:MIN_PREFIX]
        alike = (each for each in self._prompts if each[:MIN_PREFIX] == start)
        return max((common_prefix(each, prompt) for each in alike), default=0)
