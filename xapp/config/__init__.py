"""Settings of the service: environment `XAPP_*` over a TOML file over defaults, parsed once, frozen.

Each table of the file is a module here, and each field of a table is a setting. `keys` has both spellings of
each setting: `[engine] slots`, and XAPP_SLOTS, which is `slots` in a file without tables.
"""

from xapp.config.access import AccessSettings
from xapp.config.admission import AdmissionSettings
from xapp.config.big import BigSettings
from xapp.config.engine import EngineSettings
from xapp.config.environment import OTHER_KEYS, unknown_keys
from xapp.config.keys import KEYS, KEYS_OF_A_MODEL, PREFIX, TABLES, Key
from xapp.config.load import load_settings
from xapp.config.log import LogSettings
from xapp.config.models import ModelSettings
from xapp.config.node import NodeSettings
from xapp.config.power import PowerSettings
from xapp.config.retrieval import RetrievalSettings
from xapp.config.ric import RicSettings
from xapp.config.server import ServerSettings
from xapp.config.settings import Settings
from xapp.config.speech import SpeechSettings
from xapp.config.tasks import TaskSettings
from xapp.config.tls import TlsSettings
from xapp.config.upstream import UpstreamSettings
from xapp.config.workers import WorkerSettings

__all__ = [
    "KEYS",
    "KEYS_OF_A_MODEL",
    "OTHER_KEYS",
    "PREFIX",
    "TABLES",
    "AccessSettings",
    "AdmissionSettings",
    "BigSettings",
    "EngineSettings",
    "Key",
    "LogSettings",
    "ModelSettings",
    "NodeSettings",
    "PowerSettings",
    "RetrievalSettings",
    "RicSettings",
    "ServerSettings",
    "Settings",
    "SpeechSettings",
    "TaskSettings",
    "TlsSettings",
    "UpstreamSettings",
    "WorkerSettings",
    "load_settings",
    "unknown_keys",
]
