"""Pace: how many prompt tokens go into a step, beside the sequences that decode.

Two wishes meet here. A caller whose answer runs wants short steps: a step's time is the gap between two of
its tokens. A caller who waits for a first token wants full steps: small chunks waste what a kernel can do.

- Nothing decodes: a large chunk, at which the node is fastest. Such a step can be interrupted (`lookout`),
  so no urgent request waits for its end. It ends with the first prompt, where that alone fills a kernel:
  one prompt at full speed after the other brings first tokens earlier than all at once.
- A fixed bound (`XAPP_STEP_BUDGET_MS` is a number): the fastest chunk within it.
- `auto`: the fastest chunk within 100 ms or 2.75 decode steps, whichever is longer. Where this leaves prompts
  less than `share` of their full speed, the smallest chunk that gives them so much, within 0.7 s. Prompts get
  full speed while several callers wait for a first token, and a prompt whose deadline is near.
- A request may ask for a tighter bound (`max_gap_s`). It is kept while that request decodes, whatever
  prompts lose.
"""

from dataclasses import dataclass

from xapp.steps.step_cost import StepCost

ISOLATED_CHUNK = 16
"""Most tokens of a step that is computed in isolation: see Batch. A size at which kernels are fast."""
MIN_CHUNK = 4
"""Prompt tokens that a step takes at least, so that prefill always gets on."""
GAP_S = 0.1
"""A gap between two tokens that disturbs no reader."""
GAP_STEPS = 2.75
"""Decode steps that a gap may take, where this is longer."""
LONGEST_S = 0.7
"""No step with prompts beside answers is planned to take longer, unless its decode step does by itself."""
LONGEST_ALONE_S = 2.5
"""No step of prompts alone is planned to take longer. An interruption loses at most so much."""
MOST_ALONE = 192
"""Prompt tokens of such a step. An operation of a larger one takes too long to be interrupted in 20 ms."""
CRUMB = 16
"""So few tokens of a prompt are not left to a step of their own: a token of a small step costs more."""
SHORT_S = 0.25
"""The step after an interruption takes no longer: the same prompt cannot be interrupted twice in a row."""
TILE = 16
"""Kernels work on so many tokens at once, or on a divisor of it."""
MANY_STEPS = 16
"""A prompt of more steps is not cut evenly: its last step is a small part of it."""
NEARLY = 0.98
"""A chunk with this share of the best speed is as good as the best."""
ENOUGH = 0.9
"""A step ends with its first prompt where the step has at least this share of the best speed."""
NO_END = 1 << 30
HURRY = 2.0
"""A prompt is in a hurry when its deadline leaves less than so many times what it takes at full speed."""
_SIZES = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024, 2048, 4096)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Prompt tokens for a step, and the seconds that the step is predicted to take."""

    tokens: int
    seconds: float

    @property
    def rate(self) -> float:
        """Prompt tokens a second."""
        return self.tokens / self.seconds


@dataclass(frozen=True, slots=True)
class Beside:
    """What a step has beside prompts: `num_decode` sequences that read `cells`.

    `position` is where the first prompt goes on, and `left` are its tokens to compute. `num_waiting` counts
    the callers who wait for their first token, `max_gap_s` is the tightest bound that a decoding request
    asked for. `time_left_s` is what the first prompt's deadline leaves. `interrupted`: its last step was.
    """

    num_decode: int
    cells: float = 0.0
    position: float = 0.0
    num_waiting: int = 1
    max_gap_s: float | None = None
    left: int = NO_END
    time_left_s: float = float("inf")
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Candidates:
    """The chunks for a step beside so many sequences, ascending, and what they are measured by.

    `decode_s` is what the step takes without prompts, seconds. `full` is the chunk at which prompts alone
    are fastest. The callers who wait, and their deadlines, change none of these.
    """

    chunks: list[Chunk]
    decode_s: float
    full: Chunk


@dataclass(frozen=True, slots=True)
class Pace:
    """`budget_s` is a fixed bound, None is `auto`. A step has `max_batch` tokens at most."""

    budget_s: float | None
    share: float
    max_batch: int

    def chunk(self, cost: StepCost, beside: Beside) -> int:
        """Prompt tokens for the step, at least MIN_CHUNK."""
        return self.choose(self.candidates(cost, beside), beside)

    def candidates(self, cost: StepCost, beside: Beside) -> Candidates:
        """All that needs `cost`: the slow part of `chunk`."""
        chunks = self._chunks(cost, beside)
        if beside.num_decode == 0:
            return Candidates(chunks, 0.0, _full(chunks))
        decode_s = cost.predict(beside.num_decode, 0, beside.cells)
        alone = self._chunks(cost, Beside(0, position=beside.position))
        return Candidates(chunks, decode_s, _full(alone))

    def choose(self, candidates: Candidates, beside: Beside) -> int:
        """As `chunk`, from candidates for as many decoding sequences."""
        tokens = self._beside(candidates, beside) if beside.num_decode else _alone(candidates, beside)
        return max(MIN_CHUNK, tokens)

    def _beside(self, candidates: Candidates, beside: Beside) -> int:
        bound_s, longest_s = self._bounds(candidates, beside)
        best = _fastest(candidates.chunks, bound_s)
        if longest_s > bound_s and best.rate < (least := self._least_rate(candidates, beside)):
            best = _smallest(candidates.chunks, least, longest_s)
            return _until_first_token(candidates.chunks, best, beside.left)
        return best.tokens

    def _chunks(self, cost: StepCost, beside: Beside) -> list[Chunk]:
        """Those that come into question, ascending; the step has a size that was measured, or about that."""
        most = self.max_batch - beside.num_decode
        sizes = sorted({size - beside.num_decode for size in (*cost.rows, *_SIZES, self.max_batch)})
        return [_chunk(cost, beside, size) for size in sizes if 0 < size <= most] or [_chunk(cost, beside, 1)]

    def _bounds(self, candidates: Candidates, beside: Beside) -> tuple[float, float]:
        """Seconds that a step may take, and that it may take to give prompts their share."""
        if self.budget_s is not None:
            bounds = (self.budget_s, self.budget_s)
        else:
            bound_s = max(GAP_S, GAP_STEPS * candidates.decode_s)
            bounds = (bound_s, max(bound_s, LONGEST_S))
        if beside.max_gap_s is None:
            return bounds
        return min(bounds[0], beside.max_gap_s), min(bounds[1], beside.max_gap_s)

    def _least_rate(self, candidates: Candidates, beside: Beside) -> float:
        full = candidates.full.rate
        is_late = beside.left / full * HURRY > beside.time_left_s
        return full if is_late or beside.num_waiting > 1 else full * self.share


def _alone(candidates: Candidates, beside: Beside) -> int:
    if beside.interrupted:
        return _fastest(candidates.chunks, SHORT_S).tokens
    largest, left = candidates.full, beside.left
    if 0 < left - largest.tokens <= CRUMB and left / largest.rate <= LONGEST_ALONE_S:
        return left
    if largest.tokens < left < MANY_STEPS * largest.tokens:
        return _even(left, largest.tokens)
    return _until_first_token(candidates.chunks, largest, left)


def _even(left: int, most: int) -> int:
    """A chunk that cuts the rest of a prompt into equal steps: a small last one costs more a token."""
    each = -(-left // -(-left // most))
    return min(most, -(-each // TILE) * TILE)


def _until_first_token(chunks: list[Chunk], largest: Chunk, left: int) -> int:
    """The rest of the first prompt where this alone fills a kernel, so that its first token comes soon."""
    enough = _smallest(chunks, ENOUGH * largest.rate, LONGEST_ALONE_S)
    return min(largest.tokens, max(left, enough.tokens))


def _full(chunks: list[Chunk]) -> Chunk:
    """The largest of those that are as good as the fastest, without anybody's answer beside."""
    fitting = [chunk for chunk in chunks if chunk.seconds <= LONGEST_ALONE_S and chunk.tokens <= MOST_ALONE]
    best = max((chunk.rate for chunk in fitting), default=0.0)
    return next((chunk for chunk in reversed(fitting) if chunk.rate >= NEARLY * best), chunks[0])


def _chunk(cost: StepCost, beside: Beside, tokens: int) -> Chunk:
    cells = beside.cells + tokens * (beside.position + tokens / 2)
    return Chunk(tokens, cost.predict(beside.num_decode, tokens, cells))


def _fastest(chunks: list[Chunk], within_s: float) -> Chunk:
    """The best rate of those that take at most so long; the smallest where none does."""
    fitting = [chunk for chunk in chunks if chunk.seconds <= within_s]
    return max(fitting, key=lambda chunk: chunk.rate, default=chunks[0])


def _smallest(chunks: list[Chunk], rate: float, within_s: float) -> Chunk:
    """The first that reaches the rate in time; the fastest where none does."""
    reaching = (chunk for chunk in chunks if chunk.rate >= rate and chunk.seconds <= within_s)
    return next(reaching, _fastest(chunks, within_s))
