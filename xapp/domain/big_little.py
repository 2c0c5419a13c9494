"""Decoding with a little model on this node and a big model elsewhere: the ways, and their figures."""

from enum import Enum, auto

import msgspec

DEFAULT_VERIFIED_DRAFTS = 5
DEFAULT_BIG_LITTLE_DRAFTS = 10
"""Big Little Decoder's own code hands over after so many tokens."""
DEFAULT_GUIDANCE = 40


class LinkLoss(Enum):
    """What becomes of an answer while the big model cannot be reached."""

    FAIL = auto()
    LITTLE_ONLY = auto()


class Verified(msgspec.Struct, frozen=True):
    """The answer is that of the big model. The little model drafts at most `max_drafts` at a time."""

    max_drafts: int = DEFAULT_VERIFIED_DRAFTS
    on_link_loss: LinkLoss = LinkLoss.FAIL


class BigLittle(msgspec.Struct, frozen=True):
    """Big Little Decoder. `fallback` is a probability, `rollback` is in nats."""

    fallback: float = 0.6
    rollback: float = 5.0
    max_drafts: int = DEFAULT_BIG_LITTLE_DRAFTS
    on_link_loss: LinkLoss = LinkLoss.FAIL


class Guided(msgspec.Struct, frozen=True):
    """The big model writes the first `num_tokens` tokens, as text."""

    num_tokens: int = DEFAULT_GUIDANCE
    on_link_loss: LinkLoss = LinkLoss.FAIL


class PairFigures(msgspec.Struct, frozen=True):
    """What an answer of two models took. Bytes are those of messages between the nodes.

    `num_unverified` tokens were written while the big model could not be reached.
    """

    num_fallbacks: int = 0
    num_rollbacks: int = 0
    num_big_passes: int = 0
    num_bytes_sent: int = 0
    num_bytes_received: int = 0
    num_unverified: int = 0
    answered_by: str = ""
