"""Watch: the times and the tokens of an answer, as its caller sees them."""

import time

from xapp.cli.from_node import name_of
from xapp.inference.v1 import inference_pb2 as pb


class Watch:
    """The caller's view of a stream: its times, in seconds, and its tokens."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._first: float | None = None
        self._last = self._begun
        self._num_after_first = 0
        self.usage = pb.Usage()
        self.finish_reason = ""
        self.routed = pb.Routed()
        self.energy: pb.Energy | None = None

    def follow(self, event: pb.GenerateResponse) -> None:
        """Passes on every event as it comes."""
        if event.HasField("chunk"):
            self._last = time.perf_counter()
            if self._first is None:
                self._first = self._last
            else:
                self._num_after_first += event.chunk.num_tokens
        elif event.HasField("finished"):
            self.usage = event.finished.usage
            self.routed = event.finished.routed
            self.energy = event.finished.energy if event.finished.HasField("energy") else None
            reason = event.finished.finish_reason
            self.finish_reason = name_of(pb.FinishReason, reason, "FINISH_REASON_")

    @property
    def ttft_s(self) -> float | None:
        """Seconds from the request to the first text; None without text."""
        return None if self._first is None else self._first - self._begun

    @property
    def tokens_per_s(self) -> float | None:
        """Tokens a second after the first chunk; None for a single chunk."""
        if self._first is None or self._last == self._first:
            return None
        return self._num_after_first / (self._last - self._first)

    def summary(self) -> str:
        """The figures in one line."""
        usage = self.usage
        ttft = "none" if self.ttft_s is None else f"{self.ttft_s:.3f} s"
        rate = "n/a" if self.tokens_per_s is None else f"{self.tokens_per_s:.1f}"
        return (
            f"TTFT {ttft} · {rate} tokens/s · {usage.num_completion_tokens} tokens"
            f" · prompt {usage.num_prompt_tokens} ({usage.num_cached_tokens} cached)"
            f" · ended by {self.finish_reason or 'nothing'}{self._joules()}{self._who()}"
        )

    def _joules(self) -> str:
        """The energy, where the node has a meter."""
        if self.energy is None:
            return ""
        above = f" ({self.energy.above_idle_joules:.1f} above idle)"
        return (
            f" · {self.energy.gross_joules:.1f} J{above if self.energy.HasField('above_idle_joules') else ''}"
        )

    def _who(self) -> str:
        """Who answered, where the node tells."""
        if not self.routed.answered_by:
            return ""
        who = name_of(pb.Answerer, self.routed.answered_by, "ANSWERER_")
        why = name_of(pb.RoutingReason, self.routed.reason, "ROUTING_REASON_")
        return f" · answered by {who} ({why})"
