"""Measures files in turns: first the loss of each, then the speed of each over several rounds."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources

from xapp.backend.optimize import jobs
from xapp.backend.optimize.figures import STREAMS, Measured, loss
from xapp.backend.optimize.process import ask
from xapp.errors import ModelError
from xapp.models.transfer import Progress
from xapp.rotation import rotated

BLANKS_A_CHILD = 100
"""Sentences of WinoGrande for one child: its time limit is made for about this number."""


def measure(
    source: Measured,
    others: Sequence[Measured],
    rounds: int,
    threads: int,
    progress: Progress,
    *,
    blanks: tuple[jobs.Blank, ...] = (),
) -> None:
    """Measures all. An error of one of `others` becomes its fault, an error of the source a ModelError."""
    bench = _Bench(threads, _text(), progress)
    bench.lose(source, others)
    if blanks:
        bench.choose([source, *others], blanks)
    for number in range(rounds):
        for each in rotated([source, *others], number):
            with _own_fault(each, each is source):
                bench.time(each, f"round {number + 1} of {rounds}")


def _text() -> str:
    assert __package__
    return resources.files(__package__).joinpath("text.txt").read_text("utf-8")


class _Bench:
    """Starts the children. A format with a fault is skipped."""

    def __init__(self, threads: int, text: str, progress: Progress) -> None:
        self._threads = threads
        self._text = text
        self._progress = progress

    def lose(self, source: Measured, others: Sequence[Measured]) -> None:
        """Computes the loss against the source's guesses. The source itself loses nothing."""
        reference = self._guess(source)
        source.loss = loss(reference, reference)
        for each in others:
            with _own_fault(each):
                if not each.fault:
                    each.loss = loss(self._guess(each), reference)

    def _guess(self, measured: Measured) -> jobs.Guesses:
        self._progress.say(f"perplexity: {measured.format}")
        return ask(jobs.Guess(str(measured.path), self._threads, self._text), jobs.Guesses)

    def choose(self, all_of_them: Sequence[Measured], blanks: tuple[jobs.Blank, ...]) -> None:
        """Which sentences each fills in correctly. The source, which is first, must not fail."""
        for index, each in enumerate(all_of_them):
            with _own_fault(each, is_source=index == 0):
                if not each.fault:
                    each.right = self._right(each, blanks)

    def _right(self, measured: Measured, blanks: tuple[jobs.Blank, ...]) -> list[bool]:
        right: list[bool] = []
        for begin in range(0, len(blanks), BLANKS_A_CHILD):
            some = blanks[begin : begin + BLANKS_A_CHILD]
            upto = begin + len(some)
            self._progress.say(f"WinoGrande, {begin + 1} to {upto} of {len(blanks)}: {measured.format}")
            right += ask(jobs.Choose(str(measured.path), self._threads, some), jobs.Choices).right
        return right

    def time(self, measured: Measured, what: str) -> None:
        """Measures the speed once."""
        if not measured.fault:
            self._progress.say(f"{what}: {measured.format}")
            job = jobs.Speed(str(measured.path), self._threads, STREAMS, self._text)
            measured.rounds.append(ask(job, jobs.Speeds))


@contextmanager
def _own_fault(measured: Measured, is_source: bool = False) -> Iterator[None]:
    try:
        yield
    except ModelError as error:
        if is_source:
            raise
        measured.fault = error.message
