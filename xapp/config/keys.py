"""Every setting's key, in its two spellings: `[engine] slots` and XAPP_SLOTS."""

from typing import Any, NamedTuple

import msgspec

from xapp.config.big import BigSettings
from xapp.config.openai import OpenAiSettings
from xapp.config.power import PowerSettings
from xapp.config.retrieval import RetrievalSettings
from xapp.config.ric import RicSettings
from xapp.config.settings import Settings
from xapp.config.speech import SpeechSettings
from xapp.config.upstream import UpstreamSettings

PREFIX = "XAPP_"
MODELS = "models"
"""The table of tables, `[models.NAME]`. Its keys are not in this list."""

# Names without a table are older than the tables. Where a table makes a part of a name superfluous, the two
# differ.
_FLAT = {
    **{"node.name": "node_name", "tls.cert": "tls_cert", "tls.key": "tls_key"},
    **{"tls.client_ca": "tls_client_ca", "tls.http": "http_tls"},
    "engine.draft": "draft_model",
    **{
        "admission.by_deadline": "deadline_admission",
        "admission.order": "admission_order",
        "admission.lengths": "admission_lengths",
        "tasks.dir": "tasks_dir",
        "tasks.pin": "pin_tasks",
    },
    **{f"upstream.{name}": f"upstream_{name}" for name in UpstreamSettings.__struct_fields__},
    **{f"openai.{name}": f"openai_{name}" for name in OpenAiSettings.__struct_fields__},
    **{f"retrieval.{name}": f"retrieval_{name}" for name in RetrievalSettings.__struct_fields__},
    **{f"power.{name}": f"power_{name}" for name in PowerSettings.__struct_fields__},
    **{f"ric.{name}": f"ric_{name}" for name in RicSettings.__struct_fields__},
    **{f"big.{name}": f"big_{name}" for name in BigSettings.__struct_fields__},
    **{f"speech.{name}": f"speech_{name}" for name in SpeechSettings.__struct_fields__},
    **{"log.level": "log_level", "log.format": "log_format", "log.prompts": "log_prompts"},
}


class Key(NamedTuple):
    """One setting: its table, and its name there."""

    table: str
    name: str

    @property
    def dotted(self) -> str:
        """`engine.slots`."""
        return f"{self.table}.{self.name}"

    @property
    def flat(self) -> str:
        """The name without a table, in a file or as an option: `slots`."""
        return _FLAT.get(self.dotted, self.name)

    @property
    def variable(self) -> str:
        """The environment's name: `XAPP_SLOTS`."""
        return PREFIX + self.flat.upper()

    @property
    def in_table(self) -> str:
        """For people: `[engine] slots`."""
        return f"[{self.table}] {self.name}"

    @property
    def field(self) -> msgspec.structs.FieldInfo:
        """Type and default."""
        return next(each for each in msgspec.structs.fields(TABLES[self.table]) if each.name == self.name)


TABLES: dict[str, Any] = {
    field.name: field.type for field in msgspec.structs.fields(Settings) if field.name != MODELS
}
"""Name of a table → its Struct."""

KEYS = [Key(table, name) for table, struct in TABLES.items() for name in struct.__struct_fields__]
"""All keys, in the order of the tables."""

KEYS_OF_A_MODEL = [key for key in KEYS if key.table == "engine" and key.name != "backend"]
"""The keys that `[models.NAME]` may have. The backend is the same for all models."""

BY_DOTTED = {key.dotted: key for key in KEYS}
BY_FLAT = {key.flat: key for key in KEYS}
