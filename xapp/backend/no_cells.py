"""NoCells: the part of a Backend that is about KV cells, for a backend that keeps none between two steps."""

from xapp.backend.base import Batch
from xapp.backend.draft_model import DraftModel
from xapp.backend.sampler import NO_SAMPLER, Sampler
from xapp.domain.messages import SamplingParams, Tuning


class NoCells:
    """Backend documents the members. Nothing is drawn, shared, saved or measured."""

    num_branches = 0
    num_probes = 1
    num_steady = 0
    draft: DraftModel | None = None
    thread_choices: tuple[int, ...] = ()

    def is_end(self, token: int) -> bool:
        """See Backend."""
        return False

    def new_sampler(self, params: SamplingParams, prompt: list[int], scope: str = "") -> Sampler:
        """See Backend."""
        return NO_SAMPLER

    def log_probabilities(self, batch: Batch) -> list[list[float]]:
        """See Backend."""
        raise AssertionError("no text is scored here")

    def copy_prefix(self, source: int, target: int, length: int) -> None:
        """See Backend."""
        raise AssertionError("no prefix is shared here")

    def remove(self, seq_id: int, start: int = 0) -> None:
        """Nothing to remove."""

    def open_isolated(self, num_tokens: int) -> bool:
        """See Backend."""
        return False

    def close_isolated(self) -> None:
        """Nothing to free."""

    def set_threads(self, single: int, batch: int) -> None:
        """Does nothing."""

    def remember(self, tuning: Tuning) -> None:
        """Stores nothing."""

    def save(self, seq_id: int) -> object:
        """See Backend."""
        raise AssertionError("no prefix is parked here")

    def restore(self, seq_id: int, state: object) -> bool:
        """See Backend."""
        return False
