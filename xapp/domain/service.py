"""The service as the edges use it: one Protocol for each part of it.

Every method raises XappError subclasses only (and CancelledError).
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Protocol

from xapp.domain.answers import Estimate, Event, HiddenState, ScoreResult, Tokens
from xapp.domain.embedding import Embedding
from xapp.domain.kinds import Capability
from xapp.domain.power import PowerState
from xapp.domain.requests import Prompt, Request, ScoreRequest
from xapp.domain.retrieval import Retrieval
from xapp.domain.serving_policy import ServingPolicy
from xapp.domain.states import ModelSample, ModelStatus, TasksState
from xapp.domain.task import Task
from xapp.domain.verification import Verification


class Generation(Protocol):
    """Generates text."""

    def generate(self, request: Request) -> AsyncGenerator[Event, None]:
        """Yields exactly one Started first and exactly one Finished last, or raises.

        Closing the generator, or cancelling its consumer, cancels the request in the worker.
        """
        ...

    async def estimate(self, request: Request) -> Estimate:
        """What `generate` would take now, and whether the request would be admitted. Runs nothing."""
        ...


class Scoring(Protocol):
    """Compares texts."""

    async def score(self, request: ScoreRequest) -> ScoreResult:
        """The probability of each choice. Cancelling the caller cancels the request in the worker."""
        ...


class Introspection(Protocol):
    """Looks into the model."""

    async def hidden_state(self, request: Request) -> HiddenState:
        """The hidden state of the prompt's last token. Nothing is generated. Cancelling the caller cancels
        the request in the worker.
        """
        ...


class Tokenizing(Protocol):
    """Tokenizes text."""

    async def tokenize(self, model: str, prompt: Prompt, client: str) -> Tokens:
        """A prompt in tokens, with the template applied. The prompt is from `client`."""
        ...

    def detokenize(self, model: str, tokens: Sequence[int]) -> str:
        """The text of tokens; bytes that are no UTF-8 become U+FFFD. Raises InvalidArgument."""
        ...


class Models(Protocol):
    """The models of this node."""

    def list_models(self) -> list[ModelStatus]:
        """Sorted by name."""
        ...

    def get_model(self, name: str) -> ModelStatus:
        """Raises NotFound."""
        ...

    def name_for(self, needed: Capability) -> str:
        """The model that answers a request of that kind without a name; "" where there is none.

        What ranks is the first reranker, else the first embedding model, else the default model.
        """
        ...

    def load_model(self, name: str) -> AsyncGenerator[ModelStatus, None]:
        """Yields at least one status; the last one is READY, else it raises."""
        ...

    async def unload_model(self, name: str) -> ModelStatus:
        """Drains the model and ends its worker. Raises NotFound, FailedPrecondition for the default model."""
        ...


class TaskCatalogue(Protocol):
    """The tasks of this node."""

    def list_tasks(self) -> Sequence[Task]:
        """Sorted by name, then version."""
        ...


class Readiness(Protocol):
    """The state of the node."""

    @property
    def ready(self) -> bool:
        """Whether the default model serves and the service is not draining."""
        ...

    @property
    def draining(self) -> bool:
        """Whether the service ends: new requests are refused, open ones go on."""
        ...

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls `listener` when a model's state or `ready` may have changed.

        Returns a function that ends this.
        """
        ...

    @property
    def tasks_state(self) -> TasksState:
        """The state of the tasks, for metrics."""
        ...

    @property
    def power_state(self) -> PowerState:
        """The meters of energy and heat, for metrics."""
        ...

    def samples(self) -> list[ModelSample]:
        """One for each loaded model."""
        ...


class Policed(Protocol):
    """Accepts serving policies."""

    def set_policies(self, policies: Mapping[str, ServingPolicy]) -> None:
        """Puts these policies in force, and no others."""
        ...


class Inference(Generation, Scoring, Tokenizing, TaskCatalogue, Protocol):
    """The part of the service behind InferenceService."""


class Service(Inference, Verification, Embedding, Models, Readiness, Policed, Protocol):
    """The whole service of a node."""

    @property
    def collections(self) -> Retrieval | None:
        """The collections of documents; None where the settings name no place for them."""
        ...
