"""Predicts the length of an answer from its prompt, where that is better than earlier answers alone.

A linear model of cheap counts of the prompt (`prompt_features`) predicts the length, and the prediction puts
a request into a band. A band is twice as long as the band before. Then the earlier answers of this band tell
the length, as `lengths` does for a whole kind. So every quantile is that of real answers, and a bad model can
only mix up answers that were there.

Each kind of request decides for itself whether this pays: the errors of both predictions of the last answers
are compared. While the prompt is not clearly better, the earlier answers of the kind tell the length. Then
only some prompts are counted, to notice when it pays again. What counting costs is measured.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import log, log1p, log2
from time import monotonic, thread_time

from xapp.admission.corrections import MEDIAN
from xapp.admission.lengths import AnswerLengths
from xapp.admission.open_request import AdmissionRequest, Hint
from xapp.admission.prompt_features import NAMES, features
from xapp.admission.prompt_fit import PromptFit

MAX_KINDS = 256
"""Number of kinds that are remembered. The least recently used kind is forgotten first."""
MEMORY = 48
"""Answers whose errors decide."""
MIN_ANSWERS = 12
"""Smallest number of answers that decides."""
WORTH = 0.9
"""The prompt pays where its mean error is at most this share of the error without it."""
SELDOM = 8
"""Where it does not pay, one prompt in so many is counted."""
MAX_BAND = 20
COUNTED_CHARS = 2_000
"""So much of a prompt's end is counted, which bounds the cost."""


class Worth:
    """Whether the prompt tells more than earlier answers: the errors of both, as logarithms of a factor."""

    def __init__(self) -> None:
        self._errors: deque[tuple[float, float]] = deque(maxlen=MEMORY)

    @property
    def decided(self) -> bool:
        """Whether there are as many errors as are remembered."""
        return len(self._errors) == MEMORY

    @property
    def pays(self) -> bool:
        """Whether the prompt is clearly better."""
        if len(self._errors) < MIN_ANSWERS:
            return False
        by_history, by_prompt = map(sum, zip(*self._errors, strict=True))
        return by_prompt < WORTH * by_history

    def learn(self, by_history: float, by_prompt: float) -> None:
        """The errors about one answer."""
        self._errors.append((by_history, by_prompt))


@dataclass(slots=True)
class _Kind:
    fit: PromptFit = field(default_factory=lambda: PromptFit(len(NAMES)))
    worth: Worth = field(default_factory=Worth)
    num_seen: int = 0

    def band(self, counts: Sequence[float], name: str) -> str:
        """The name of the answers to prompts that promise about the same length."""
        return f"{max(0, min(MAX_BAND, round(self.fit.predict(counts))))} {name}"

    def is_due(self) -> bool:
        """Whether the prompt of the next request is counted."""
        self.num_seen += 1
        return self.worth.pays or not self.worth.decided or self.num_seen % SELDOM == 0


class PromptLengths:
    """Lengths of answers by kind, and by prompt where that pays. `history` is by kind alone.

    `on` is false where only the history counts. `clock` is monotonic, `timer` measures what counting costs.
    """

    def __init__(
        self,
        history: AnswerLengths,
        clock: Callable[[], float] = monotonic,
        timer: Callable[[], float] = thread_time,
        *,
        on: bool = True,
    ) -> None:
        self._history = history
        self._bands = AnswerLengths(clock)
        self._kinds: OrderedDict[str, _Kind] = OrderedDict()
        self._timer = timer
        self._on = on
        self.cost_s = 0.0
        """CPU time of all predictions."""

    def hint(self, request: AdmissionRequest) -> Hint | None:
        """What the prompt tells. None where it is not counted."""
        if not self._on or request.exact or request.max_tokens <= 1 or not request.text:
            return None
        kind = self._kind(request.kind)
        if not kind.is_due():
            return None
        started = self._timer()
        counts = counts_of(request)
        found = Hint(counts, kind.band(counts, request.kind), kind.worth.pays)
        self.cost_s += self._timer() - started
        return found

    def quantile(
        self, request: AdmissionRequest, hint: Hint | None, share: float, cap: int, *, beyond: int = 0
    ) -> int:
        """As `AnswerLengths.quantile`, of the answers of the band where that pays and some are known."""
        if hint is not None and hint.used:
            found = self._bands.known_quantile(hint.band, share, cap, beyond=beyond)
            if found is not None:
                return found
        return self._history.quantile(request.kind, share, cap, beyond=beyond)

    def record(self, request: AdmissionRequest, hint: Hint | None, num_tokens: int, *, cut: bool) -> None:
        """Records the length of an ended answer. `cut`: the answer would have been longer."""
        if hint is not None:
            started = self._timer()
            kind = self._kind(request.kind)
            band = kind.band(hint.counts, request.kind)
            self._compare(request, kind.worth, band, num_tokens, cut=cut)
            kind.fit.learn(hint.counts, log2(max(1, num_tokens)))
            self._bands.record(band, num_tokens, cut=cut)
            self.cost_s += self._timer() - started
        self._history.record(request.kind, num_tokens, cut=cut)

    def _compare(self, request: AdmissionRequest, worth: Worth, band: str, tokens: int, *, cut: bool) -> None:
        """Both predictions as they are now, before the answer is recorded: of the requests of a burst, the
        first to end teach.
        """
        cap = request.max_tokens
        by_history = self._history.quantile(request.kind, MEDIAN, cap)
        by_band = self._bands.known_quantile(band, MEDIAN, cap)
        by_prompt = by_history if by_band is None else by_band
        worth.learn(_error(by_history, tokens, cut=cut), _error(by_prompt, tokens, cut=cut))

    def _kind(self, name: str) -> _Kind:
        if name not in self._kinds and len(self._kinds) >= MAX_KINDS:
            self._kinds.popitem(last=False)
        found = self._kinds.setdefault(name, _Kind())
        self._kinds.move_to_end(name)
        return found


def counts_of(request: AdmissionRequest) -> tuple[float, ...]:
    """The features of the end of a prompt. The first one, its size, is that of the whole prompt."""
    return (log1p(request.num_bytes), *features(request.text[-COUNTED_CHARS:])[1:])


def _error(predicted: int, actual: int, *, cut: bool) -> float:
    """The logarithm of the factor. An answer that was cut is at least as long as it is."""
    off = log(max(1, predicted) / max(1, actual))
    return max(0.0, -off) if cut else abs(off)
