"""EngineSupervisor: keeps the process of one engine running."""

from collections.abc import Callable

import msgspec

from xapp.config import WorkerSettings
from xapp.speech.engine.client import EngineProcess, Job
from xapp.speech.messages import Loaded
from xapp.workers.supervisor import ProcessSupervisor, RestartPolicy, WorkerState

MAX_HANG_S = 60.0
"""No engine takes so long for an utterance of 30 s."""


class EngineSupervisor(ProcessSupervisor[EngineProcess]):
    """One engine's process, restarted when it dies or hangs. `start` first, `aclose` last."""

    def __init__(
        self,
        kind: str,
        model: str,
        settings: msgspec.Struct,
        workers: WorkerSettings,
        on_state: Callable[[], None] = lambda: None,
    ) -> None:
        policy = RestartPolicy(
            load_timeout_s=workers.load_timeout_s,
            max_delay_s=workers.restart_backoff_max_s,
            hang_after_s=min(workers.hang_timeout_s, MAX_HANG_S),
        )
        super().__init__(
            model or kind,
            lambda: EngineProcess(kind, model, settings),
            policy,
            on_state,
            role=f"{kind} engine",
        )

    @property
    def ready(self) -> bool:
        """Whether the engine answers now."""
        return self.state is WorkerState.READY

    @property
    def info(self) -> Loaded | None:
        """What the engine said of itself; None before it was ready once."""
        return self._client.info if self._client is not None else None

    def job(self) -> Job:
        """Opens a job. Raises Unavailable with the time of a retry."""
        if (client := self.client) is None:
            raise self.not_ready()
        return client.job()
