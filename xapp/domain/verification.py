"""Verification: sessions in which a big model checks the drafts of a little model."""

import hashlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from xapp.domain.messages import Priority
from xapp.domain.sampling import SamplingParams

DIGEST_BYTES = 8


def digest_of(tokens: Sequence[int]) -> bytes:
    """The first DIGEST_BYTES of the SHA-256 of the token ids, each 4 bytes little-endian."""
    return hashlib.sha256(array("i", tokens).tobytes()).digest()[:DIGEST_BYTES]


@dataclass(frozen=True, slots=True)
class Opening:
    """The first message of a session. `vocabulary` is the digest of the caller's vocabulary.

    `exact`: the model draws with `sampling` up to the first wrong draft. `deadline` is that of the whole
    session on CLOCK_MONOTONIC, None for the default of each verification.
    """

    model: str
    vocabulary: str
    tokens: tuple[int, ...]
    exact: bool = True
    sampling: SamplingParams = SamplingParams()
    seed: int | None = None
    ignore_eos: bool = False
    priority: Priority = Priority.INTERACTIVE
    correlation_id: str = ""
    deadline: float | None = None
    client: str = ""
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Drafted:
    """One verification: the first `position` tokens stay, `tokens` follow, `drafts` are to be checked.

    `digest` is that of the tokens that stay; b"" is not checked.
    """

    position: int
    tokens: tuple[int, ...]
    drafts: tuple[int, ...]
    digest: bytes = b""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result. `tokens` are the model's own, END_OF_ANSWER for the end: the token behind the accepted
    drafts where the check is exact, otherwise the token at each place. `surprisals` are -ln p of each draft.
    """

    num_accepted: int
    tokens: tuple[int, ...]
    surprisals: tuple[float, ...] = ()
    num_cached: int = 0


@dataclass(frozen=True, slots=True)
class Opened:
    """A session is open. `context_length`: tokens that the sequence may have."""

    model: str
    model_digest: str
    context_length: int


class Session(Protocol):
    """One sequence that is being verified. Its verifications follow one another."""

    @property
    def opened(self) -> Opened:
        """The model behind the session."""
        ...

    async def verify(self, drafted: Drafted) -> Verdict:
        """Raises XappError: Aborted, reason CONTEXT_DIFFERS, where the session knows other tokens."""
        ...

    async def aclose(self) -> None:
        """Ends the session. Safe to call twice."""
        ...


class Verification(Protocol):
    """Verifies drafts."""

    async def open_session(self, opening: Opening) -> Session:
        """Raises XappError: FailedPrecondition, reason VOCABULARY_DIFFERS; Exhausted where it is full."""
        ...
