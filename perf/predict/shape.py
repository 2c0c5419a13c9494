"""Shape: what one token costs, in bytes read and in weights multiplied."""

from dataclasses import dataclass

GIGA = 1e9


@dataclass(frozen=True, slots=True)
class Shape:
    """`read_bytes`: weights that one decoded token reads. `prefill_params`: weights that one prompt token is
    multiplied with; the output matrix counts for the last token only.
    """

    read_bytes: float
    prefill_params: float


def shape_of(
    params: float, table: tuple[int, int, bool], *, bits: float, file_bytes: float, active: float = 0.0
) -> Shape:
    """`table`: rows and width of the embedding table, and whether it is the output matrix too. `active`:
    the weights that one token uses, in a mixture of experts, or 0.
    """
    rows, width, tied = table
    used, embedding = active or params, float(rows * width)
    left_out = 0.0 if tied else embedding * bits / 8
    whole = used * bits / 8 if active else file_bytes
    return Shape(whole - left_out, used - embedding * (1 if tied else 2))
