"""Converts the decoding strategies of two models. Raises InvalidArgument with the field."""

import math

from xapp.domain.big_little import (
    DEFAULT_BIG_LITTLE_DRAFTS,
    DEFAULT_GUIDANCE,
    DEFAULT_VERIFIED_DRAFTS,
    BigLittle,
    Guided,
    LinkLoss,
    Verified,
)
from xapp.domain.decoding import MAX_DRAFTS
from xapp.errors import InvalidArgument
from xapp.inference.v1 import inference_pb2 as pb

MAX_GUIDANCE = 1000

_POLICIES = {
    pb.LINK_LOSS_POLICY_UNSPECIFIED: LinkLoss.FAIL,
    pb.LINK_LOSS_POLICY_FAIL: LinkLoss.FAIL,
    pb.LINK_LOSS_POLICY_LITTLE_ONLY: LinkLoss.LITTLE_ONLY,
}


def to_paired(wire: pb.GenerateRequest | pb.EstimateRequest, kind: str) -> Verified | BigLittle | Guided:
    """The strategy of kind `kind`, that of two models."""
    field = f"strategy.{kind}"
    if wire.deterministic:
        raise InvalidArgument(field, "cannot be set beside deterministic")
    if isinstance(wire, pb.EstimateRequest):
        # Estimate predicts the little model's own time.
        return _parsed(wire, kind, field)
    if wire.HasField("format"):
        raise InvalidArgument(field, "cannot be set beside format")
    if kind == "big_little" and (wire.sampling.temperature or wire.sampling.repeat_penalty not in {0, 1}):
        raise InvalidArgument(field, "is greedy: sampling.temperature and repeat_penalty cannot be set")
    return _parsed(wire, kind, field)


def _parsed(
    wire: pb.GenerateRequest | pb.EstimateRequest, kind: str, field: str
) -> Verified | BigLittle | Guided:
    if kind == "verified":
        return _verified(wire.strategy.verified, field)
    if kind == "guided":
        return _guided(wire.strategy.guided, field)
    return _big_little(wire.strategy.big_little, field)


def _verified(wire: pb.VerifiedDecoding, field: str) -> Verified:
    return Verified(_count(wire, field, DEFAULT_VERIFIED_DRAFTS), _policy(wire.on_link_loss, field))


def _big_little(wire: pb.BigLittleDecoding, field: str) -> BigLittle:
    default = BigLittle()
    fallback = wire.fallback_threshold if wire.HasField("fallback_threshold") else default.fallback
    if not 0 <= fallback <= 1:
        raise _out_of_range(f"{field}.fallback_threshold", fallback, "from 0 to 1")
    rollback = wire.rollback_threshold if wire.HasField("rollback_threshold") else default.rollback
    if not (math.isfinite(rollback) and rollback >= 0):
        raise _out_of_range(f"{field}.rollback_threshold", rollback, "at least 0")
    count = _count(wire, field, DEFAULT_BIG_LITTLE_DRAFTS)
    return BigLittle(fallback, rollback, count, _policy(wire.on_link_loss, field))


def _guided(wire: pb.GuidedDecoding, field: str) -> Guided:
    count = wire.num_guidance_tokens if wire.HasField("num_guidance_tokens") else DEFAULT_GUIDANCE
    if not 1 <= count <= MAX_GUIDANCE:
        raise _out_of_range(f"{field}.num_guidance_tokens", count, f"from 1 to {MAX_GUIDANCE}")
    return Guided(count, _policy(wire.on_link_loss, field))


def _count(wire: pb.VerifiedDecoding | pb.BigLittleDecoding, field: str, default: int) -> int:
    count = wire.max_draft_tokens if wire.HasField("max_draft_tokens") else default
    if not 1 <= count <= MAX_DRAFTS:
        raise _out_of_range(f"{field}.max_draft_tokens", count, f"from 1 to {MAX_DRAFTS}")
    return count


def _policy(wire: pb.LinkLossPolicy.ValueType, field: str) -> LinkLoss:
    if (policy := _POLICIES.get(wire)) is None:
        raise InvalidArgument(f"{field}.on_link_loss", f"{wire} is no policy")
    return policy


def _out_of_range(field: str, value: float, text: str) -> InvalidArgument:
    return InvalidArgument(field, f"{value:g} is out of range: it must be {text}")
