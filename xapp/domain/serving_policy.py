"""A serving policy: its scope and its limits."""

from fnmatch import fnmatchcase
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MAX_LIST = 64
_Pattern = Annotated[str, Meta(min_length=1, max_length=128)]
_Rate = Annotated[float, Meta(gt=0, le=1e6)]
_Seconds = Annotated[float, Meta(gt=0, le=86_400)]
_Count = Annotated[int, Meta(ge=1, le=1_000_000)]


class Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The clients and models of a policy: names, or patterns with `*` and `?`."""

    client: _Pattern = "*"
    model: _Pattern = "*"

    def has(self, client: str, model: str) -> bool:
        """Whether a request of the client to the model is in the scope."""
        return fnmatchcase(client, self.client) and fnmatchcase(model, self.model)


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits for each client of the scope separately; None is no limit."""

    allowed_models: Annotated[tuple[_Pattern, ...], Meta(min_length=1, max_length=MAX_LIST)] | None = None
    max_priority: Literal["CRITICAL", "INTERACTIVE", "BATCH"] | None = None
    max_output_tokens: _Count | None = None
    default_deadline_s: _Seconds | None = None
    max_deadline_s: _Seconds | None = None
    max_rps: _Rate | None = None
    max_tokens_per_s: _Rate | None = None
    max_concurrent: _Count | None = None
    enforce: bool = True


class ServingPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One policy."""

    statement: Statement
    scope: Scope = Scope()
