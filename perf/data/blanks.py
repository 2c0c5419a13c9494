"""WinoGrande's sentences as the jobs of `xapp.backend.optimize` take them."""

from pathlib import Path

from perf.data.questions import BLANK, read_winogrande
from perf.data.read_rows import spread
from xapp.backend.optimize.jobs import Blank


def read_blanks(path: Path, items: int) -> tuple[Blank, ...]:
    """So many sentences, taken evenly over the file. Raises DataError."""
    chosen = spread(read_winogrande(path), items)
    parts = [(each.sentence.partition(BLANK), each) for each in chosen]
    return tuple(
        Blank((before + each.options[0], before + each.options[1]), rest, each.right)
        for (before, _, rest), each in parts
    )
