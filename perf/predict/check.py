"""Checks the predictions against every public figure, each predicted from the other figures alone."""

from dataclasses import dataclass

import msgspec

from perf.predict.prediction import decode_with
from perf.predict.speeds import speeds_of
from perf.predict.tables import PublicFigure, boards, public_figures

DECODE_BAR, PREFILL_BAR = 0.15, 0.25


@dataclass(frozen=True, slots=True)
class Checked:
    """One figure and its prediction, tokens a second. `predicted` is None where no other figure is of its
    kind.
    """

    figure: PublicFigure
    phase: str
    measured: float
    predicted: float | None

    @property
    def error(self) -> float | None:
        """The prediction ÷ the figure, less 1."""
        return None if self.predicted is None else self.predicted / self.measured - 1

    @property
    def bar(self) -> float:
        """The largest error to either side."""
        return DECODE_BAR if self.phase == "decode" else PREFILL_BAR

    @property
    def kept(self) -> bool | None:
        """Whether the error is within the bar; None without a prediction."""
        return None if self.error is None else abs(self.error) <= self.bar

    @property
    def verdict(self) -> str:
        """In words."""
        if self.error is None:
            return "no other figure of this kind"
        if self.kept:
            return "within the bar"
        return f"deviates: {self.figure.deviates}" if self.is_named else "OUTSIDE THE BAR"

    @property
    def is_named(self) -> bool:
        """Whether the table says why this figure does not agree."""
        return bool(self.figure.deviates) and self.phase in self.figure.deviates_in


def check(name: str) -> list[Checked]:
    """All figures of a board."""
    own = [each for each in public_figures() if each.board == name]
    return [
        Checked(each, phase, measured, _predicted(each, phase, own))
        for phase in ("decode", "prefill")
        for each in own
        if (measured := getattr(each, phase)) is not None
    ]


def _predicted(figure: PublicFigure, phase: str, figures: list[PublicFigure]) -> float | None:
    board = boards()[figure.board]
    without = msgspec.structs.replace(figure, **{phase: None})
    others = [without if each is figure else each for each in figures]
    if phase == "decode":
        threads = figure.threads or board.threads
        return decode_with(threads, figure.shape, figure.kernels, board, speeds_of(board, others)).value
    if not any(each.kernels == figure.kernels and each.tells("prefill") for each in others):
        return None
    return speeds_of(board, others).compute_of(figure.kernels).value / figure.shape.prefill_params
