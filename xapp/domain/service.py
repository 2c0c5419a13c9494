"""What the edges need of the service: a Protocol for each thing that an edge may ask.

Every method raises XappError subclasses only (and CancelledError).
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Protocol

from xapp.domain.answers import Estimate, Event, ScoreResult, Tokens
from xapp.domain.requests import Prompt, Request, ScoreRequest
from xapp.domain.serving_policy import ServingPolicy
from xapp.domain.states import ModelSample, ModelStatus, TasksState
from xapp.domain.task import Task


class Generation(Protocol):
    """Makes text."""

    def generate(self, request: Request) -> AsyncGenerator[Event, None]:
        """Exactly one Started first, exactly one Finished last, else it raises.

        Closing the generator, or cancelling its consumer, cancels the request in the worker.
        """
        ...

    async def estimate(self, request: Request) -> Estimate:
        """What `generate` would take now, and whether it would be let in. Runs nothing."""
        ...


class Scoring(Protocol):
    """Compares texts."""

    async def score(self, request: ScoreRequest) -> ScoreResult:
        """How likely each choice is. Cancelling the caller cancels the request in the worker."""
        ...


class Tokenizing(Protocol):
    """Reads text."""

    async def tokenize(self, model: str, prompt: Prompt, client: str) -> Tokens:
        """A prompt in tokens, template applied; `client` is whose it is."""
        ...


class Models(Protocol):
    """The models of this node."""

    def list_models(self) -> list[ModelStatus]:
        """Sorted by name."""
        ...

    def get_model(self, name: str) -> ModelStatus:
        """Raises NotFound."""
        ...

    def load_model(self, name: str) -> AsyncGenerator[ModelStatus, None]:
        """Yields at least one status; the last one is READY, else it raises."""
        ...

    async def unload_model(self, name: str) -> ModelStatus:
        """Drains, ends the worker; raises NotFound, FailedPrecondition for the default."""
        ...


class TaskCatalogue(Protocol):
    """The named questions of this node."""

    def list_tasks(self) -> Sequence[Task]:
        """Sorted by name, then version."""
        ...


class Readiness(Protocol):
    """How the node is."""

    @property
    def ready(self) -> bool:
        """Whether the default model serves and the service is not draining."""
        ...

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls `listener` when a model's state or `ready` may have changed; returns what ends that."""
        ...

    @property
    def tasks_state(self) -> TasksState:
        """For metrics."""
        ...

    def samples(self) -> list[ModelSample]:
        """One for each loaded model."""
        ...


class Policed(Protocol):
    """Lets itself be told who may have how much."""

    def set_policies(self, policies: Mapping[str, ServingPolicy]) -> None:
        """These hold from now on, and no other."""
        ...


class Inference(Generation, Scoring, Tokenizing, TaskCatalogue, Protocol):
    """What InferenceService needs."""


class Service(Inference, Models, Readiness, Policed, Protocol):
    """All of it: what a node is made of."""
