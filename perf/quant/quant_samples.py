"""What `bench quant` leaves in a result file, and the names of its figures. The group is the format.

size_bytes                  of the file
peak_rss_bytes              weights, a small cache, buffers
prefill_tokens_per_second   of a prompt of 512 tokens
decode_tokens_per_second    of one answer; in the group FORMAT/N of N answers together
perplexity                  on a short English text; the interval is that of the loss against the source
same_token_share            tokens where the format and the source have the same favourite
accuracy                    WinoGrande's sentences filled in correctly, with Wilson's interval
"""

import msgspec

from xapp.backend.optimize.figures import Measured


class SpeedSample(msgspec.Struct, frozen=True, tag_field="kind", tag="quant-speed"):
    """One format in one round. `decode` by number of answers together, all of them, tokens a second."""

    format: str
    round: int
    prefill: float
    decode: dict[str, float]
    peak_bytes: int


class QualitySample(msgspec.Struct, frozen=True, tag_field="kind", tag="quant-quality"):
    """One format. `worse` is the rise of the perplexity over the source's, as a share, with its `margin`."""

    format: str
    size_bytes: int
    perplexity: float
    worse: float
    margin: float
    agreement: float
    right: list[bool]


Sample = SpeedSample | QualitySample


def samples_of(measured: Measured) -> list[Sample]:
    """Of one format, complete."""
    assert measured.loss is not None
    loss, name = measured.loss, measured.format
    quality = QualitySample(
        name, measured.size_bytes, loss.perplexity, loss.worse, loss.margin, loss.agreement, measured.right
    )
    return [
        quality,
        *(
            SpeedSample(
                name, number, each.prefill, {str(n): v for n, v in each.decode.items()}, each.peak_bytes
            )
            for number, each in enumerate(measured.rounds)
        ),
    ]
