"""Settings: all tables, parsed once, frozen."""

import msgspec

from xapp.config.access import AccessSettings
from xapp.config.admission import AdmissionSettings
from xapp.config.big import BigSettings
from xapp.config.engine import EngineSettings
from xapp.config.log import LogSettings
from xapp.config.models import ModelSettings
from xapp.config.node import NodeSettings
from xapp.config.openai import OpenAiSettings
from xapp.config.power import PowerSettings
from xapp.config.retrieval import RetrievalSettings
from xapp.config.ric import RicSettings
from xapp.config.server import ServerSettings
from xapp.config.speech import SpeechSettings
from xapp.config.tasks import TaskSettings
from xapp.config.tls import TlsSettings
from xapp.config.upstream import UpstreamSettings
from xapp.config.workers import WorkerSettings


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of a server. A field is a table of the settings file."""

    node: NodeSettings = msgspec.field(default_factory=NodeSettings)
    server: ServerSettings = ServerSettings()
    openai: OpenAiSettings = OpenAiSettings()
    tls: TlsSettings = TlsSettings()
    access: AccessSettings = AccessSettings()
    engine: EngineSettings = EngineSettings()
    admission: AdmissionSettings = AdmissionSettings()
    workers: WorkerSettings = WorkerSettings()
    tasks: TaskSettings = TaskSettings()
    big: BigSettings = BigSettings()
    upstream: UpstreamSettings = UpstreamSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    speech: SpeechSettings = SpeechSettings()
    power: PowerSettings = PowerSettings()
    ric: RicSettings = RicSettings()
    log: LogSettings = LogSettings()
    models: dict[str, ModelSettings] = {}

    @property
    def has_credentials(self) -> bool:
        """Whether callers have to authenticate."""
        return bool(self.tls.client_ca or self.access.tokens_file or self.access.jwks)

    def of_model(self, name: str) -> ModelSettings:
        """The settings of a model's own table, or those of every model."""
        return self.models.get(name) or ModelSettings(engine=self.engine)
