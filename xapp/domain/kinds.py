"""The kinds of models. A new kind is a line in MODEL_KINDS."""

import enum
from dataclasses import dataclass


class Capability(enum.StrEnum):
    """What a model can do. The value completes "a model that …"."""

    GENERATE = "generates text"
    EMBED = "turns text into vectors"
    RANK = "ranks documents"


@dataclass(frozen=True, slots=True)
class ModelKind:
    """`name` is the value of `kind` in a `[models.NAME]` table.

    `has_worker`: this build can load the kind.
    """

    name: str
    capability: Capability
    has_worker: bool = False

    @property
    def generates(self) -> bool:
        """Whether it serves requests for text: Generate, Score, Estimate, Tokenize."""
        return self.capability is Capability.GENERATE


GENERATE = ModelKind("generate", Capability.GENERATE, has_worker=True)
EMBEDDING = ModelKind("embedding", Capability.EMBED, has_worker=True)
RERANKER = ModelKind("reranker", Capability.RANK, has_worker=True)

MODEL_KINDS = {kind.name: kind for kind in (GENERATE, EMBEDDING, RERANKER)}
"""The kinds by name."""
