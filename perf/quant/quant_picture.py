"""One picture of a model in several formats: what each takes, how fast it is, and what it loses."""

from collections.abc import Callable, Sequence

from matplotlib.figure import Figure as Drawing

from perf.quant.quant_figures import ACCURACY, DECODE, PEAK, PERPLEXITY, PREFILL
from perf.record.result_schema import Figure
from perf.report.charts import Mark, bars, dots, panel_height
from perf.report.document import Picture
from perf.report.picture_look import colours, picture

_PANELS: tuple[tuple[str, Callable[..., None]], ...] = (
    (PEAK, bars),
    (PREFILL, bars),
    (DECODE, bars),
    (PERPLEXITY, dots),
    (ACCURACY, dots),
)
_ALT = "Memory, prefill, decode, perplexity and accuracy by format"


def draw(name: str, label: str, summary: Sequence[Figure]) -> Picture:
    """`label` names the model and the node."""
    by_name = {panel: _marks(panel, summary) for panel, _ in _PANELS}
    panels = [(panel, how) for panel, how in _PANELS if by_name[panel]]
    formats = list(dict.fromkeys(mark.category for marks in by_name.values() for mark in marks))
    rows = -(-len(panels) // 2)
    caption = (
        f"{label}: the source is first. Whiskers: 95 % interval; of the perplexity, that of the difference to"
        " the source."
    )

    def onto(drawing: Drawing) -> None:
        axes = drawing.subplots(rows, 2, squeeze=False).ravel()
        for place, (panel, how) in zip(axes, panels, strict=False):
            how(place, by_name[panel], colours([""]), formats)
            place.locator_params(axis="x", nbins=5)
            if panel == ACCURACY:
                place.set_xlabel("WinoGrande, % right")
        for place in axes[len(panels) :]:
            place.set_axis_off()

    return picture(name, caption, _ALT, rows * panel_height(len(formats)) + 0.2, onto)


def _marks(name: str, summary: Sequence[Figure]) -> list[Mark]:
    """Of single answers: a group with a number of streams is left to the table."""
    own = (each for each in summary if each.name == name and each.value is not None)
    return [Mark(each.group, "", each) for each in own if "/" not in each.group]
