"""Identical requests are computed once: who comes while the answer is on its way joins it.

Only greedy requests have the same answer twice. A computation goes on for as long as anybody reads it,
in the class of the one it was begun for, until the latest deadline of its readers.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from time import monotonic
from typing import NamedTuple

from xapp.admission.admission import AdmittedRequest
from xapp.domain.messages import Submit
from xapp.domain.requests import Prompt
from xapp.workers.token_record import TokenRecord
from xapp.workers.token_stream import TokenStream

MARGIN_S = 1.0
"""A computation whose deadline is nearer is joined by nobody who has a later one: its worker might not hear
of that in time."""


class Identity(NamedTuple):
    """All that a greedy answer follows from, on one model. `prompt_hash` is that of the token ids.

    `scope`: who may know that it was asked.
    """

    scope: str
    prompt_hash: str
    max_tokens: int
    stop: tuple[str, ...]
    ignore_eos: bool
    repeat_penalty: float
    grammar: bytes | None


def identity_of(submit: Submit, prompt_hash: str, stop: tuple[str, ...]) -> Identity | None:
    """None where chance plays a part. What else is in the sampling has no effect without it."""
    sampling = submit.sampling
    if sampling.temperature != 0:
        return None
    return Identity(
        submit.scope,
        prompt_hash,
        submit.max_tokens,
        stop,
        submit.ignore_eos,
        sampling.repeat_penalty,
        sampling.grammar,
    )


class Shared:
    """One computation and the places of those who read it; the first one stands for it in predictions."""

    def __init__(self, first: TokenStream) -> None:
        self._first = first
        self.sharers: list[AdmittedRequest] = []

    @property
    def _record(self) -> TokenRecord:
        return self._first.record

    def suits(self, submit: Submit, admitted: AdmittedRequest) -> bool:
        """Whether a request that came now would get its answer from it no worse than by itself."""
        record = self._record
        return (
            record.joinable
            and record.request.priority <= submit.priority
            and self._lasts(submit)
            and admitted.in_time_with(self.sharers[0])
        )

    def _lasts(self, submit: Submit) -> bool:
        ours, theirs = self._record.deadline, submit.deadline
        assert ours is not None
        assert theirs is not None
        return theirs <= ours or ours > monotonic() + MARGIN_S

    def join(self, submit: Submit, admitted: AdmittedRequest) -> TokenStream:
        """The same tokens, from the first one on."""
        admitted.join(self.sharers[0])
        return self._first.join(submit)

    @contextmanager
    def shelter(self, admitted: AdmittedRequest) -> Iterator[None]:
        """It reads along. When the first one leaves, the next stands for the computation."""
        self.sharers.append(admitted)
        try:
            yield
        finally:
            first = self.sharers[0]
            self.sharers.remove(admitted)
            if admitted is first and self.sharers and not self._record.ended:
                self.sharers[0].succeed()


class Joins:
    """The computations of one model that may be joined: for each identity the latest that was begun."""

    def __init__(self) -> None:
        self._open: dict[Identity, Shared] = {}
        self._prompts: Counter[tuple[str, Prompt]] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def know(self, scope: str, prompt: Prompt) -> bool:
        """Whether one with this prompt is open in the scope: what can be told before it is tokenized."""
        return (scope, prompt) in self._prompts

    @contextmanager
    def stream(
        self,
        identity: Identity | None,
        prompt: Prompt,
        submit: Submit,
        admitted: AdmittedRequest,
        start: Callable[[Submit], TokenStream],
    ) -> Iterator[TokenStream]:
        """The answer's tokens: those of a computation that goes on already, else `start` begins one.

        Nobody joins where `identity` is None. Raises what `AdmittedRequest.tokenized` and `start` raise.
        """
        shared = self._open.get(identity) if identity is not None else None
        if shared is not None and shared.suits(submit, admitted):
            stream = shared.join(submit, admitted)
        else:
            admitted.tokenized(submit.prompt, submit.max_tokens)
            stream = start(submit)
            shared = Shared(stream)
        with (
            self._keep(identity, prompt, shared),
            closing(stream),
            admitted.following(stream),
            shared.shelter(admitted),
        ):
            yield stream

    @contextmanager
    def _keep(self, identity: Identity | None, prompt: Prompt, shared: Shared) -> Iterator[None]:
        """It may be joined until the last of its readers has left."""
        if identity is None:
            yield
            return
        self._open[identity] = shared
        key = (identity.scope, prompt)
        self._prompts[key] += 1
        try:
            yield
        finally:
            self._prompts[key] -= 1
            if not self._prompts[key]:
                del self._prompts[key]
            if not shared.sharers and self._open.get(identity) is shared:
                del self._open[identity]
