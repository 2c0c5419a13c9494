"""`[models.NAME]`: the settings of one model."""

from typing import Annotated

import msgspec
from msgspec import Meta

from xapp.config.engine import EngineSettings
from xapp.domain.kinds import MODEL_KINDS, ModelKind

Prefix = Annotated[str, Meta(max_length=2000)]


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`engine` is complete: it has the values of `[engine]` where the model's own table has none.

    `kind` "" takes the kind from the catalogue or the file. `query_prefix` and `passage_prefix` stand before
    the texts that become vectors. `min_dimensions`: vectors may be cut to so many numbers or more, because
    the model was trained for it. None takes these facts from the catalogue.
    """

    kind: str = ""
    query_prefix: Prefix | None = None
    passage_prefix: Prefix | None = None
    min_dimensions: Annotated[int, Meta(ge=1)] | None = None
    engine: EngineSettings = EngineSettings()

    @property
    def stated_kind(self) -> ModelKind | None:
        """The kind in the table."""
        return MODEL_KINDS.get(self.kind)


OWN_KEYS = tuple(name for name in ModelSettings.__struct_fields__ if name != "engine")
"""The keys of `[models.NAME]` that `[engine]` does not have."""
