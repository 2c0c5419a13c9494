"""The tasks of this node: loaded at the start, loaded again when their folder's content changes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic, time
from typing import Any, TypeAlias

from xapp import logs
from xapp.domain.requests import Request, ScoreRequest
from xapp.domain.states import TasksState
from xapp.domain.task import Kind, Task
from xapp.domain.task_call import TaskCall
from xapp.errors import ConfigError, InvalidArgument
from xapp.one_thread import OneThread
from xapp.tasks.folder import read_folder, read_tasks, shipped_dir
from xapp.tasks.task_set import ReadyTask, TaskSet

POLL_S = 3.0

_log = logging.getLogger(__name__)

Render: TypeAlias = Callable[[Request, str, Mapping[str, Any]], Awaitable[str]]
"""Renders a template with its values, in a process that may take long and may die."""
Check: TypeAlias = Callable[[Request, Sequence[tuple[str, str]]], Awaitable[list[str]]]
"""Returns for each schema and JSON text the fault, or "", in the same process."""


@contextmanager
def named_after(request: Request) -> Iterator[None]:
    """Changes the field of an error from `prompt` to `inputs`: a task's prompt comes from its inputs, and the
    caller left `prompt` unset.
    """
    try:
        yield
    except InvalidArgument as error:
        if not request.task_label or error.field not in {"prompt", "chat"}:
            raise
        if error.reason == "NO_CHAT_TEMPLATE":
            raise InvalidArgument("task", "the model has no chat template", reason=error.reason) from error
        raise InvalidArgument("inputs", f"the prompt {error.description}", reason=error.reason) from error


class Tasks:
    """`start` first, `aclose` last. `folder` "" is the folder of the package.

    Folders are read in a thread. `check` checks inputs against schemas, `render` makes the prompts.
    """

    def __init__(
        self,
        folder: str,
        *,
        render: Render,
        check: Check,
        poll_s: float = POLL_S,
        clock: Callable[[], float] = time,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._folder = Path(folder).expanduser() if folder else shipped_dir()
        self._render = render
        self._check = check
        self._poll_s = poll_s
        self._clock = clock
        self._on_change = on_change
        self._thread = OneThread("tasks", "tasks' inputs")
        self._digest = ""
        self._set = TaskSet(())
        self._watch: asyncio.Task[None] | None = None
        self.state = TasksState()

    async def start(self) -> None:
        """Reads the tasks. Raises ConfigError with the file and the key."""
        await self.reload()
        self._watch = asyncio.create_task(self._follow())

    async def aclose(self) -> None:
        """Ends the watching. Safe to call twice."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])
        self._thread.close()

    # ---- lookup

    def list(self) -> Sequence[Task]:
        """All tasks, sorted by name, then version."""
        return self._set.tasks

    @property
    def ready(self) -> TaskSet:
        """The present tasks."""
        return self._set

    async def resolve(self, request: Request, kind: Kind | None = Kind.GENERATE) -> Request:
        """The request of a task's call; a request without a task stays as it is.

        Raises NotFound, InvalidArgument with `inputs.NAME`, FailedPrecondition, Exhausted.
        """
        call = request.task
        if call is None:
            return request
        return await self._fill(self._set.find(call.name, kind), request, call)

    async def resolve_score(self, request: ScoreRequest) -> ScoreRequest:
        """The same as `resolve`, for Score."""
        call = request.request.task
        if call is None:
            return request
        ready = self._set.find(call.name, Kind.SCORE)
        return ready.fill_score(request, await self._fill(ready, request.request, call))

    async def _fill(self, ready: ReadyTask, request: Request, call: TaskCall) -> Request:
        filled = await self._thread.run_for_caller(
            lambda: ready.fill(request, call, self._clock(), monotonic())
        )
        await ready.check_details(call, partial(self._check, filled))
        content = await self._render(filled, ready.template, ready.values(call))
        return replace(filled, prompt=ready.chat(content))

    # ---- reloading

    async def reload(self) -> None:
        """Reads the folder if its content has changed. Raises ConfigError, and keeps the present tasks."""
        digest, tasks = await self._thread.run(partial(self._read, self._digest))
        if tasks is not None:
            # This is one assignment: a request sees the old tasks or the new tasks.
            self._set = tasks
            self.state = TasksState(len(tasks.tasks), self.state.num_reloads + 1, self.state.num_failed)
            self._digest = digest
            self._on_change()

    def _read(self, known: str) -> tuple[str, TaskSet | None]:
        snapshot = read_folder(self._folder)
        digest = snapshot.digest
        return digest, None if digest == known else TaskSet(read_tasks(snapshot))

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            before = self.state.num_reloads
            try:
                await self.reload()
            except ConfigError as error:
                self._failed(error.message)
            except Exception as error:  # noqa: BLE001  a defect: without this a folder would be watched no more
                logs.event(_log, "reading tasks failed", {}, level=logging.ERROR, error=error)
                self._failed("internal error, see the log")
            else:
                self._worked(before)

    def _worked(self, before: int) -> None:
        if self.state.num_reloads != before:
            logs.event(_log, "tasks loaded", {"event": "tasks_loaded", "tasks": self.state.num_tasks})
        self.state = TasksState(self.state.num_tasks, self.state.num_reloads, self.state.num_failed)

    def _failed(self, message: str) -> None:
        """Logs each error once, not at each look."""
        state = self.state
        if state.error == message:
            return
        self.state = TasksState(state.num_tasks, state.num_reloads, state.num_failed + 1, message)
        fields: dict[str, object] = {"event": "tasks_not_loaded", "error": message, "kept": state.num_tasks}
        logs.event(_log, f"tasks are kept as they were: {message}", fields, level=logging.ERROR)
