"""The formats of weights, by llama.cpp's names.

Weights are numbers rounded to few bits, in blocks that share a scale. Another format rounds them once more:
the loss of the first rounding does not come back.
"""

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Format:
    """`file_type` is the number of `general.file_type` in a GGUF file, and of llama.cpp's quantizer. `loss`
    describes the loss in a few words.
    """

    name: str
    file_type: int
    loss: str


_OFFERED = (
    Format("Q8_0", 7, "8 bits: next to nothing"),
    Format("Q6_K", 18, "6 bits: little"),
    Format("Q5_K_M", 17, "5 bits: some"),
    Format("Q4_K_M", 15, "4 bits: clearly lossy, again if the source has 4"),
    Format("Q4_0", 2, "4 bits, the coarsest: clearly lossy, again if the source has 4"),
    Format("IQ4_NL", 25, "4 bits, unevenly spaced: clearly lossy, again if the source has 4"),
)
FORMATS = MappingProxyType({each.name: each for each in _OFFERED})
"""Formats that a model can be written in. Fewer than 4 bits lose too much without the data that they are made
with.
"""
USUAL = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0")
"""Formats that are tried by default."""
WHOLE = (0, 1, 32)
"""The numbers of F32, F16 and BF16: weights as they were trained, or close to that."""
_OTHERS = {0: "F32", 1: "F16", 3: "Q4_1", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M"}
_MORE = {13: "Q3_K_L", 14: "Q4_K_S", 16: "Q5_K_S", 30: "IQ4_XS", 32: "BF16", 38: "MXFP4"}
_NAMES = {**{each.file_type: each.name for each in _OFFERED}, **_OTHERS, **_MORE}


def format_name(file_type: int | None) -> str:
    """A name such as "Q4_1"; "other" for an unknown number."""
    return _NAMES.get(file_type, "other") if file_type is not None else "other"
