"""Joins: identical requests share one computation that is still running.

Only greedy requests give the same answer twice. A computation runs while it has a reader, in the class of its
first request, until the latest deadline of its readers.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from time import monotonic
from typing import NamedTuple

from msgspec import structs

from xapp.admission.admitted_request import AdmittedRequest
from xapp.domain.messages import SamplingParams, Submit
from xapp.domain.requests import Prompt
from xapp.workers.token_record import TokenRecord
from xapp.workers.token_stream import TokenStream

MARGIN_S = 1.0
"""A computation whose deadline is nearer is not joined by a request with a later deadline: the worker might
learn of the later deadline too late."""


class Identity(NamedTuple):
    """All inputs of a greedy answer on one model. `prompt_hash` is the hash of the token ids.

    `scope`: the requests that may share the answer.
    """

    scope: str
    prompt_hash: str
    max_tokens: int
    stop: tuple[str, ...]
    ignore_eos: bool
    sampling: SamplingParams


def identity_of(submit: Submit, prompt_hash: str, stop: tuple[str, ...]) -> Identity | None:
    """The identity of a greedy request; None for a sampled request.

    Sampling parameters that only shape a draw have no effect.
    """
    sampling = submit.sampling
    if sampling.temperature != 0:
        return None
    return Identity(
        submit.scope,
        prompt_hash,
        submit.max_tokens,
        stop,
        submit.ignore_eos,
        structs.replace(sampling, top_k=0, top_p=1.0, min_p=0.0, seed=0),
    )


class Shared:
    """One computation and the places of its readers. The first reader represents it in predictions."""

    def __init__(self, first: TokenStream) -> None:
        self._first = first
        self.sharers: list[AdmittedRequest] = []

    @property
    def _record(self) -> TokenRecord:
        return self._first.record

    def suits(self, submit: Submit, admitted: AdmittedRequest) -> bool:
        """Whether a request that arrives now is served at least as well by this computation as by its own."""
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
        """A stream of the same tokens, from the first token on."""
        admitted.join(self.sharers[0])
        return self._first.join(submit)

    @contextmanager
    def shelter(self, admitted: AdmittedRequest) -> Iterator[None]:
        """Counts as a reader meanwhile.

        When the first reader leaves, the next reader represents the computation.
        """
        self.sharers.append(admitted)
        try:
            yield
        finally:
            first = self.sharers[0]
            self.sharers.remove(admitted)
            if admitted is first and self.sharers and not self._record.ended:
                self.sharers[0].succeed()


class Joins:
    """The computations of one model that can be joined: the latest for each identity."""

    def __init__(self) -> None:
        self._open: dict[Identity, Shared] = {}
        self._prompts: Counter[tuple[str, Prompt]] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def know(self, scope: str, prompt: Prompt) -> bool:
        """Whether a computation with this prompt is open in the scope. The prompt need not be tokenized."""
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
        """The stream of the answer: that of a running computation, otherwise that of a new one from `start`.

        Without an `identity` no computation is joined. Raises the errors of `AdmittedRequest.tokenized` and
        `start`.
        """
        shared = self._open.get(identity) if identity is not None else None
        if shared is not None and shared.suits(submit, admitted):
            stream = shared.join(submit, admitted)
        else:
            admitted.tokenized(submit.prompt, submit.max_tokens)
            stream = start(admitted.placed(submit))
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
        """The computation can be joined until its last reader has left."""
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
