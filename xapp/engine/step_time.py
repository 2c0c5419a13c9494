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
EVEN_TOKENS = 16
"""With so many prompt tokens beside decoding sequences, half of what a prediction missed is put on either."""
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
        """Shares what was wrong between the two: the more prompt tokens, the more of it is their price.

        All of it on a few prompt tokens would make them so dear that every step takes only a few more,
        and it would never be found out.
        """
        wrong = seconds - self.predict(num_decode, num_prefill)
        if num_decode == 0:
            self._per_prompt_token = _blend(self._per_prompt_token, seconds / num_prefill)
            return
        # In proportion to the squares: so it converges to both wherever chunks differ (normalised LMS).
        share = num_prefill**2 / (num_prefill**2 + EVEN_TOKENS**2)
        decode = self.decode(num_decode) + wrong * (1 - share)
        # What would make the decode time negative is left to the price.
        price = self._per_prompt_token + (wrong * share + min(0.0, decode)) / num_prefill
        self._per_prompt_token = _blend(self._per_prompt_token, max(0.0, price))
        self._decode[num_decode] = _blend(self.decode(num_decode), max(0.0, decode))
