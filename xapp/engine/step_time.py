"""StepTime: learns from measured steps how long a step of a given make-up takes.

A step costs what its decoding sequences cost together (learned for each number of them, because a
batch of 8 is far cheaper than 8 batches of 1) and a price for each prompt token. Both are moving
averages: they follow the context's growth, the clock's throttling and noisy neighbours.
"""

WEIGHT = 0.2
"""Weight of the newest measurement in the averages."""
OUTLIER = 4.0
"""A measurement counts as at most this many times the average: one hiccup must not starve prefill."""
MIN_CHUNK = 4
"""Prompt tokens that a step takes at least, so that prefill always gets on."""
IMPLAUSIBLE = 0.5
"""A price this much below the average says that the decode time was wrong, not the price."""
FLOOR_S = 1e-7
"""An average of zero could never grow again."""


def _blend(old: float | None, new: float) -> float:
    average = new if old is None else old + WEIGHT * (min(new, OUTLIER * old) - old)
    return max(average, FLOOR_S)


class StepTime:
    """Predicts step times, in seconds. `per_prompt_token` is the guess to start from."""

    def __init__(self, per_prompt_token: float = 0.005) -> None:
        self._per_prompt_token = per_prompt_token
        self._decode: dict[int, float] = {}

    @property
    def per_prompt_token(self) -> float:
        """Seconds a prompt token adds to a step."""
        return self._per_prompt_token

    @property
    def decode_prices(self) -> dict[int, float]:
        """Seconds of a step by its number of decoding sequences, where it was measured."""
        return dict(self._decode)

    def decode(self, num_decode: int) -> float:
        """Seconds for a step of `num_decode` decoding sequences and nothing else."""
        if num_decode in self._decode or num_decode == 0:
            return self._decode.get(num_decode, 0.0)
        known = min(self._decode, key=lambda n: abs(n - num_decode), default=0)
        gap = num_decode - known
        return max(self._decode.get(known, 0.0) + gap * self._per_prompt_token, 0.0)

    def predict(self, num_decode: int, num_prefill: int) -> float:
        """Seconds for a step of this make-up."""
        return self.decode(num_decode) + num_prefill * self._per_prompt_token

    def chunk(self, num_decode: int, budget_s: float) -> int:
        """Prompt tokens that fit a step beside `num_decode` decoding sequences; at least MIN_CHUNK."""
        return max(MIN_CHUNK, int((budget_s - self.decode(num_decode)) / self._per_prompt_token))

    def observe(self, num_decode: int, num_prefill: int, seconds: float) -> None:
        """Learns from a step that was run."""
        if num_prefill == 0:
            self._decode[num_decode] = _blend(self._decode.get(num_decode), seconds)
        elif num_prefill >= MIN_CHUNK:
            self._observe_mixed(num_decode, num_prefill, seconds)

    def _observe_mixed(self, num_decode: int, num_prefill: int, seconds: float) -> None:
        """Learns the price; or, where that cannot be what was wrong, the decode time.

        Without the second a decode time that was measured in a hiccup would stay for as long as
        prompts come, and the price would fall to nothing to make up for it.
        """
        rest = seconds - num_prefill * self._per_prompt_token
        price = (seconds - self.decode(num_decode)) / num_prefill
        if rest < 0:
            price = max(price, IMPLAUSIBLE * seconds / num_prefill)
            self._per_prompt_token = _blend(self._per_prompt_token, price)
        elif price < IMPLAUSIBLE * self._per_prompt_token:
            self._decode[num_decode] = _blend(self.decode(num_decode), rest)
        else:
            self._per_prompt_token = _blend(self._per_prompt_token, price)
