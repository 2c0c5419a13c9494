"""`[models.NAME]`: what holds for one model only."""

import msgspec

from xapp.config.engine import EngineSettings
from xapp.domain.kinds import MODEL_KINDS, ModelKind


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`engine` is complete: what the model's own table leaves out is that of `[engine]`.

    `kind` "" means: what the catalogue or the file says.
    """

    kind: str = ""
    engine: EngineSettings = EngineSettings()

    @property
    def stated_kind(self) -> ModelKind | None:
        """The kind that the table states."""
        return MODEL_KINDS.get(self.kind)
