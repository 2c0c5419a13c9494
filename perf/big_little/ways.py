"""The ways to answer that are compared, by name."""

from collections.abc import Sequence
from dataclasses import dataclass

from xapp.inference.v1 import inference_pb2 as pb

GUIDED, BIG_LITTLE = "guided", "bild"
GUIDANCE_TOKENS = 10
"""Tokens that the big model writes of a guided answer."""


@dataclass(frozen=True, slots=True)
class Way:
    """`by_big`: the client asks the big node itself, over the line."""

    name: str
    strategy: pb.DecodingStrategy | None = None
    by_big: bool = False


def ways(fallbacks: Sequence[float], rollbacks: Sequence[float]) -> list[Way]:
    """Both models alone, verified, guided, and Big Little Decoder with each pair of thresholds."""
    return [
        Way("big", by_big=True),
        Way("little"),
        Way("verified", pb.DecodingStrategy(verified=pb.VerifiedDecoding())),
        Way(
            GUIDED,
            pb.DecodingStrategy(guided=pb.GuidedDecoding(num_guidance_tokens=GUIDANCE_TOKENS)),
        ),
        *(
            Way(name_of(fallback, rollback), _big_little(fallback, rollback))
            for fallback in fallbacks
            for rollback in rollbacks
        ),
    ]


def name_of(fallback: float, rollback: float) -> str:
    """For instance `bild-0.6-5`."""
    return f"{BIG_LITTLE}-{fallback:g}-{rollback:g}"


def _big_little(fallback: float, rollback: float) -> pb.DecodingStrategy:
    return pb.DecodingStrategy(
        big_little=pb.BigLittleDecoding(fallback_threshold=fallback, rollback_threshold=rollback)
    )
