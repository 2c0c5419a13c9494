"""The parts of a model that serves."""

from xapp.admission.admission import Admission
from xapp.admission.joins import Joins
from xapp.domain.model_info import ModelInfo
from xapp.text.prompts import Codec, PromptReader


class Serving:
    """The parts of a loaded model. They stay when the worker is restarted."""

    def __init__(self, codec: Codec, digest: str, origin: str, info: ModelInfo, admission: Admission) -> None:
        self.codec = codec
        self.digest = digest
        self.origin = origin
        self.info = info
        self.admission = admission
        self.joins = Joins()
        self.prompts = PromptReader(codec, admission.capacity)

    @property
    def limit(self) -> int:
        """Tokens that prompt and answer of a request can have together."""
        # A model that makes vectors keeps no cells.
        return min(self.info.context_length, self.info.kv_cells_total or self.info.context_length)
