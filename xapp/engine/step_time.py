"""StepTime: learns from measured steps how long a step of a given make-up takes.

A step costs something for itself, for each decoding sequence, for each prompt token, and for each cell
that attention reads: a token at position 1,000 reads 1,000 of them, so a prompt's end is dearer than
its start. These four prices are fitted by least squares to the steps of late, so that they follow the
clock's throttling and noisy neighbours. Prices are never negative.
"""

import msgspec

from xapp.engine.messages import StepPrices

FORGET = 0.97
"""What a measurement weighs after one more; the last 30 or so decide."""
OUTLIER = 4.0
"""A measurement counts as at most this many times what was predicted: one hiccup must not starve prefill."""
MIN_CHUNK = 4
"""Prompt tokens that a step takes at least, so that prefill always gets on."""
FLOOR_S = 1e-7
"""No prompt token costs less."""
PROMPT_TOKEN, SEQUENCE, STEP, CELL = range(4)
"""As in StepPrices. Prices are corrected in this order: what steps do not tell apart is put on the first."""


def starting_prices(per_prompt_token: float, one_sequence: float | None) -> StepPrices:
    """From the price of a prompt token and of a step with one decoding sequence, s; None: the same.

    A decoding sequence is taken to cost what a prompt token does, and the step the rest.
    """
    alone = per_prompt_token if one_sequence is None else one_sequence
    return StepPrices(per_prompt_token, min(alone, per_prompt_token), max(0.0, alone - per_prompt_token), 0.0)


class StepTime:
    """Predicts step times, in seconds.

    It starts from `starting_prices`. `cells` is always what the attention of the tokens in question
    reads: the sum of their positions.
    """

    def __init__(self, per_prompt_token: float = 0.005, one_sequence: float | None = None) -> None:
        self._prices: list[float] = list(
            msgspec.structs.astuple(starting_prices(per_prompt_token, one_sequence))
        )
        self._moments = [[0.0] * 4 for _ in range(4)]
        self._sums = [0.0] * 4
        for num_decode, num_prefill in ((1, 0), (0, 1)):
            self._remember(_make_up(num_decode, num_prefill, 0), self.predict(num_decode, num_prefill))

    @property
    def per_prompt_token(self) -> float:
        """Seconds a prompt token adds to a step, at the start of a prompt."""
        return self._prices[PROMPT_TOKEN]

    @property
    def prices(self) -> StepPrices:
        """All of them as they are now."""
        return StepPrices(*self._prices)

    def predict(self, num_decode: int, num_prefill: int, cells: int = 0) -> float:
        """Seconds for a step of this make-up."""
        token, sequence, step, cell = self._prices
        return step + sequence * num_decode + token * num_prefill + cell * cells

    def fitting(self, seconds: float, position: int = 0) -> int:
        """Prompt tokens from `position` on that take at most so long; none where that is negative."""
        token, cell = self._prices[PROMPT_TOKEN], self._prices[CELL]
        most = max(0.0, seconds / (token + cell * position))
        # Each token reads one cell more than the one before it.
        return int(max(0.0, seconds) / (token + cell * (position + most / 2)))

    def observe(self, num_decode: int, num_prefill: int, seconds: float, cells: int = 0) -> None:
        """Learns from a step that was run."""
        seconds = min(seconds, OUTLIER * self.predict(num_decode, num_prefill, cells))
        self._remember(_make_up(num_decode, num_prefill, cells), seconds)
        self._correct()

    def _remember(self, make_up: tuple[int, ...], seconds: float) -> None:
        """Adds a step to the weighted sums, as seconds a token: a long step says no more than a short one."""
        token, sequence, step, _ = make_up
        weight = 1.0 / (token + sequence + step) ** 2
        for index, row in enumerate(self._moments):
            part = weight * make_up[index]
            self._sums[index] = FORGET * self._sums[index] + part * seconds
            row[:] = [FORGET * old + part * other for old, other in zip(row, make_up, strict=True)]

    def _correct(self) -> None:
        """One sweep of coordinate descent: each price becomes the best one beside the others.

        It starts from the prices before, which so stay as they are where the steps of late do not tell.
        """
        prices = self._prices
        for index, row in enumerate(self._moments):
            if row[index] > 0:
                wrong = self._sums[index] - sum(map(float.__mul__, row, prices))
                prices[index] = max(0.0, prices[index] + wrong / row[index])
        prices[PROMPT_TOKEN] = max(FLOOR_S, prices[PROMPT_TOKEN])


def _make_up(num_decode: int, num_prefill: int, cells: int) -> tuple[int, ...]:
    return num_prefill, num_decode, 1, cells
