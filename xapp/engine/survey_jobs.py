"""The steps that a survey measures."""

from dataclasses import dataclass

from xapp.backend.base import Backend

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 256, 384, 512)
"""Prompt tokens of a measured step. Kernels work on tiles of tokens, so the price jumps between sizes."""
WIDTHS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16)
"""Decoding sequences of a measured step."""
THREADS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
"""Numbers of threads that are measured, up to the node's number."""
FEW = 4
PROMPT = 32


@dataclass(frozen=True, slots=True)
class Job:
    """One step to measure: `size` sequences that decode, or tokens of a prompt."""

    decode: bool
    size: int
    threads: int

    @property
    def name(self) -> str:
        """The name of the step in StepTrial."""
        return f"{'decode' if self.decode else 'prompt'}-{self.size}"


class SurveyJobs:
    """The steps that a backend can compute."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @property
    def most_width(self) -> int:
        """Most sequences of a step. Drafts make a step wider than the number of slots."""
        return self._backend.num_branches

    @property
    def few(self) -> int:
        """Decoding sequences of the step that chooses the number of threads for batches."""
        return min(FEW, self._backend.num_branches, self._backend.info.num_slots)

    @property
    def prompt(self) -> int:
        """Prompt tokens of the step that chooses the number of threads for batches."""
        return min(PROMPT, self._backend.info.batch_tokens)

    def of_threads(self) -> list[Job]:
        """Steps with each number of threads, the default first. None where the number is set."""
        rule, *others = self._backend.thread_choices
        tried = [rule, *(each for each in others if each in THREADS)] if others else []
        return [
            job
            for threads in tried
            for job in (Job(True, 1, threads), Job(True, self.few, threads), Job(False, self.prompt, threads))
        ]

    def of_curve(self, threads: tuple[int, int]) -> list[Job]:
        """Steps of each size, with the numbers of threads for a single token and for a batch."""
        single, batch = threads
        info = self._backend.info
        most = min(info.batch_tokens, info.context_length - 1)
        widths = [
            Job(True, size, batch if size > 1 else single) for size in WIDTHS if size <= self.most_width
        ]
        sizes = [Job(False, size, batch if size > 1 else single) for size in SIZES if size <= most]
        return [*widths, *sizes]
