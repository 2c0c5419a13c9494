"""Converts the decoding strategy."""

from xapp.domain.decoding import MAX_DRAFTS, PLAIN, Auto, Drafted, Ngram
from xapp.domain.requests import Strategy
from xapp.errors import InvalidArgument
from xapp.inference.v1 import inference_pb2 as pb
from xapp.server.convert.two_models import to_paired


def to_strategy(wire: pb.GenerateRequest | pb.EstimateRequest) -> Strategy | None:
    """The decoding strategy; None is the model's default."""
    kind = wire.strategy.WhichOneof("kind")
    match kind:
        case None:
            return None
        case "plain":
            return PLAIN
        case "auto":
            return Auto()
        case "verified" | "big_little" | "guided":
            return to_paired(wire, kind)
    if wire.deterministic:
        raise InvalidArgument(f"strategy.{kind}", "cannot be set beside deterministic")
    if kind == "ngram":
        return Ngram(_max_drafts(wire.strategy.ngram, f"strategy.{kind}", Ngram().max_drafts))
    return Drafted(_max_drafts(wire.strategy.draft, f"strategy.{kind}", Drafted().max_drafts))


def _max_drafts(wire: pb.NgramSpeculation | pb.DraftSpeculation, field: str, default: int) -> int:
    if not wire.HasField("max_draft_tokens"):
        return default
    if not 1 <= wire.max_draft_tokens <= MAX_DRAFTS:
        raise InvalidArgument(
            f"{field}.max_draft_tokens",
            f"{wire.max_draft_tokens} is out of range: it must be from 1 to {MAX_DRAFTS}",
        )
    return wire.max_draft_tokens
