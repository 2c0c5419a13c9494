"""`[models.NAME]`: the settings of one model."""

import msgspec

from xapp.config.engine import EngineSettings
from xapp.domain.kinds import MODEL_KINDS, ModelKind


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`engine` is complete: it has the values of `[engine]` where the model's own table has none.

    `kind` "" takes the kind from the catalogue or the file.
    """

    kind: str = ""
    engine: EngineSettings = EngineSettings()

    @property
    def stated_kind(self) -> ModelKind | None:
        """The kind in the table."""
        return MODEL_KINDS.get(self.kind)
