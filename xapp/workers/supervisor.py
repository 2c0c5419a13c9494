"""Supervisor: keeps one model's worker running, and restarts it when it dies or hangs.

A failed first load is final: it is not tried again. Once a model has served, its worker is restarted without
limit, with exponential back-off.
"""

import asyncio
import enum
import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Generic, TypeVar

from xapp.domain.messages import ModelInfo, Stats, Submit
from xapp.errors import Unavailable, XappError
from xapp.workers.client import EngineClient
from xapp.workers.process_client import UNLOADING, ProcessClient
from xapp.workers.token_stream import TokenStream

_log = logging.getLogger(__name__)


class WorkerState(enum.StrEnum):
    """State of the worker. FAILED: the last start failed. Another start follows, unless it was the first."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When to restart, in seconds.

    `hang_after_s`: a worker that has work and is silent for so long is killed. This must be longer
    than one step of the slowest model: 512 prompt tokens of a 7B model take a Pi about 100 s.
    `max_delay_after_work_s`: the longest delay after a worker that has answered anything. Only a worker that
    answers nothing is held back for longer. `look_s`: time between two looks at the process.
    `stopped_after_s`: a worker that a signal has stopped does not serve, and after so long it is killed.
    """

    load_timeout_s: float = 600.0
    first_delay_s: float = 0.1
    max_delay_s: float = 30.0
    healthy_after_s: float = 60.0
    hang_after_s: float = 300.0
    max_delay_after_work_s: float = 0.5
    look_s: float = 0.25
    stopped_after_s: float = 1.0


class Backoff:
    """Delays that double from restart to restart. They start anew after a healthy time."""

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._next_s = policy.first_delay_s

    def delay_s(self, uptime_s: float, *, has_answered: bool = False) -> float:
        """The delay before the restart of a worker that served for `uptime_s`.

        After a worker that has answered, the time that it served counts as a part of the delay: two starts
        are as far apart as without it.
        """
        policy = self._policy
        if uptime_s >= policy.healthy_after_s:
            self._next_s = policy.first_delay_s
        most = min(policy.max_delay_s, policy.max_delay_after_work_s) if has_answered else policy.max_delay_s
        delay = min(self._next_s, most)
        self._next_s = delay * 2
        return max(delay - uptime_s, 0.0) if has_answered else delay


Client = TypeVar("Client", bound=ProcessClient[Any])


class ProcessSupervisor(Generic[Client]):
    """Keeps one process of a model running, under a changing client. `start` first, `aclose` last.

    `role` names the process in messages.
    """

    def __init__(
        self,
        name: str,
        new_client: Callable[[], Client],
        policy: RestartPolicy,
        on_state: Callable[[], None] = lambda: None,
        *,
        role: str = "worker",
    ) -> None:
        self._role = role
        self._name = name
        self._new_client = new_client
        self._policy = policy
        self._on_state = on_state
        self._backoff = Backoff(policy)
        self._client: Client | None = None
        self._task: asyncio.Task[None] | None = None
        self._next_start_s = policy.first_delay_s
        self.state = WorkerState.LOADING
        self.error = ""
        self.num_restarts = 0

    @property
    def pid(self) -> int:
        """The process id; 0 without a process."""
        return self._client.pid if self._client is not None and self.state is WorkerState.READY else 0

    @property
    def client(self) -> Client | None:
        """The client of the process that serves now, or None."""
        return self._client if self.state is WorkerState.READY else None

    async def start(self, on_progress: Callable[[float], None] = lambda _: None) -> Any:
        """Loads the model. Returns the description that the process sent.

        Raises ModelError or Unavailable. Then only `aclose` may be called.
        """
        try:
            client, info = await self._load(on_progress)
        except XappError as error:
            self._set_state(WorkerState.FAILED, error.message)
            raise
        self._task = asyncio.create_task(self._supervise(client), name=f"supervisor of {self._name}")
        return info

    def not_ready(self) -> Unavailable:
        """The error while no process serves."""
        why = f": {self.error}" if self.error else ""
        message = f"the {self._role} of {self._name} is being started{why}"
        return Unavailable(message, reason="MODEL_LOADING", retry_after_s=max(1.0, self._next_start_s))

    async def aclose(self, why: str = UNLOADING) -> None:
        """Ends the process for good. Its open streams fail with `why`. Safe to call twice."""
        self._set_state(WorkerState.CLOSED)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._client is not None:
            await self._client.aclose(why)

    def _set_state(self, state: WorkerState, error: str = "") -> None:
        if state is self.state and error == self.error:
            return
        self.state, self.error = state, error
        self._on_state()

    async def _load(self, on_progress: Callable[[float], None]) -> tuple[Client, Any]:
        client = self._new_client()
        info = await client.load(on_progress, timeout_s=self._policy.load_timeout_s)
        self._client = client
        client.lost.add_done_callback(self._on_lost)
        self._set_state(WorkerState.READY)
        return client, info

    def _on_lost(self, lost: "asyncio.Future[Unavailable]") -> None:
        if self.state is WorkerState.READY:
            self._set_state(WorkerState.LOADING, lost.result().message)

    async def _supervise(self, client: Client) -> None:
        while True:
            ready_at = monotonic()
            why = await self._watch(client)
            _log.error("%s of %s lost: %s", self._role, self._name, why.message)
            client = await self._restart(why, monotonic() - ready_at, has_answered=client.has_answered)

    async def _watch(self, client: Client) -> Unavailable:
        """Returns when the process is gone. Kills it when it hangs or stays stopped."""
        limit, look_s = self._policy.hang_after_s, min(self._policy.look_s, self._policy.hang_after_s / 4)
        # Looks are counted, not time: where this process was stopped as well, no look saw the other process.
        stopped_looks = 0
        while True:
            await asyncio.wait([client.lost], timeout=look_s)
            if client.lost.done():
                return client.lost.result()
            stopped_looks = stopped_looks + 1 if self._look_whether_stopped(client) else 0
            if stopped_looks * look_s > self._policy.stopped_after_s:
                client.kill(f"a signal stopped the {self._role}")
            elif client.silence_s > limit:
                silence_s = client.silence_s
                client.kill(f"the {self._role} hung: it had work and was silent for {silence_s:.0f} s")

    def _look_whether_stopped(self, client: Client) -> bool:
        """A stopped process does not serve; one that runs again does."""
        is_stopped = client.is_stopped
        if is_stopped and self.state is WorkerState.READY:
            self._set_state(WorkerState.LOADING, f"a signal stopped the {self._role}")
        elif self.state is WorkerState.LOADING and client.can_run:
            self._set_state(WorkerState.READY)
        return is_stopped

    async def _restart(self, why: XappError, uptime_s: float, *, has_answered: bool) -> Client:
        self._set_state(WorkerState.LOADING, why.message)
        while True:
            self._next_start_s = self._backoff.delay_s(uptime_s, has_answered=has_answered)
            await asyncio.sleep(self._next_start_s)
            self.num_restarts += 1
            try:
                client, _ = await self._load(lambda _: None)
            except XappError as error:
                _log.error("starting the %s of %s again failed: %s", self._role, self._name, error.message)
                self._set_state(WorkerState.FAILED, error.message)
                uptime_s, has_answered = 0.0, False
            else:
                return client


class Supervisor(ProcessSupervisor[EngineClient]):
    """One model's worker."""

    @property
    def info(self) -> ModelInfo | None:
        """The worker's latest description of itself; None before the first was ready."""
        return self._client.info if self._client is not None else None

    @property
    def stats(self) -> Stats:
        """The worker's latest state."""
        return self._client.stats if self._client is not None else Stats()

    def submit(self, request: Submit) -> TokenStream:
        """Sends a request to the worker. Raises Unavailable with the time of a retry."""
        client = self.client
        if client is None:
            raise self.not_ready()
        return client.submit(request)
