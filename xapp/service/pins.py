"""Pins: computes the common prefix of a task's prompts once for each worker, before the first request.

One prefix is computed at a time, in the lowest class, once the model serves. Requests go first.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import closing
from functools import reduce
from time import monotonic
from typing import TypeAlias

from xapp import logs
from xapp.domain import scope
from xapp.domain.messages import Priority, Submit
from xapp.domain.prefix import common_prefix, most_pinned
from xapp.domain.states import ModelState
from xapp.errors import XappError
from xapp.served.registry import ModelRegistry
from xapp.served.served_model import ServedModel
from xapp.served.serving import Serving
from xapp.tasks.task_set import ReadyTask
from xapp.tasks.tasks import Tasks

MIN_TOKENS = 16
"""Shorter prefixes are computed as quickly as a pinned copy is restored."""

_Pinned: TypeAlias = tuple[str, tuple[int, ...]]
"""The scope and the tokens of a pinned prefix."""

_log = logging.getLogger(__name__)


class Pins:
    """`start` first, `aclose` last. `new_id` returns request ids.

    `isolated`: only requests of a task may use the prefix of that task.
    """

    def __init__(
        self, registry: ModelRegistry, tasks: Tasks, new_id: Callable[[], int], *, isolated: bool = False
    ) -> None:
        self._registry = registry
        self._tasks = tasks
        self._new_id = new_id
        self._isolated = isolated
        self._done: dict[str, tuple[tuple[ServedModel, int], set[_Pinned]]] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def num_pinned(self) -> int:
        """Pinned prefixes of all models."""
        return sum(len(done) for _, done in self._done.values())

    def start(self) -> None:
        """Follows changes of models and tasks from now on."""
        self._task = asyncio.create_task(self._follow(), name="pins")

    async def aclose(self) -> None:
        """Safe to call twice."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _follow(self) -> None:
        changes = self._registry.changes
        while True:
            change = changes.next()
            for model in list(self._registry.models):
                await self._pin_all(model)
            await changes.wait(change)

    async def _pin_all(self, model: ServedModel) -> None:
        serving = model.serving
        if serving is None or model.state is not ModelState.READY or not _may_pin(model, serving):
            return
        done = self._done_in(model)
        for task in self._tasks.ready:
            if (task.task.model or self._registry.default_name) != model.name:
                continue
            try:
                await self._pin(model, serving, task, done)
            except XappError as error:
                # A lost worker is replaced, and its successor gets the pins. A model without a template has
                # no prefixes.
                _log_unpinned(model, task, error.message)

    def _done_in(self, model: ServedModel) -> set[_Pinned]:
        """The prefixes that this worker has pinned. A new worker has none."""
        worker = (model, model.supervisor.num_restarts)
        if model.name not in self._done or self._done[model.name][0] != worker:
            self._done[model.name] = (worker, set())
        return self._done[model.name][1]

    async def _pin(self, model: ServedModel, serving: Serving, task: ReadyTask, done: set[_Pinned]) -> None:
        prefix = await prefix_of(serving, task)
        within = scope.of_task(task.task.name) if self._isolated else scope.EVERYBODY
        if len(prefix) < MIN_TOKENS or (within, tuple(prefix)) in done:
            return
        most = most_pinned(serving.info.kv_cells_total)
        if len(prefix) > most:
            _log_unpinned(
                model, task, f"its prompts share {len(prefix)} tokens, and there is room for {most}"
            )
            return
        submit = Submit(
            request_id=self._new_id(),
            prompt=prefix,
            max_tokens=1,
            ignore_eos=True,
            priority=Priority.BATCH,
            arrival=monotonic(),
            pin=True,
            scope=within,
        )
        with closing(model.supervisor.submit(submit)) as stream:
            while not stream.done:
                await stream.next()
        done.add((within, tuple(prefix)))


def _log_unpinned(model: ServedModel, task: ReadyTask, reason: str) -> None:
    fields: dict[str, object] = {"model": model.name, "task": task.task.label}
    logs.event(_log, f"not pinned: {reason}", fields, level=logging.DEBUG)


async def prefix_of(serving: Serving, task: ReadyTask) -> list[int]:
    """The tokens at the start of all prompts of the task. Raises as `PromptReader.read`."""
    prompts = [await serving.prompts.read(prompt, serving.limit) for prompt in task.openings]
    return reduce(lambda a, b: a[: common_prefix(a, b)], prompts)


def _may_pin(model: ServedModel, serving: Serving) -> bool:
    """Whether the model can share prefixes and its settings allow it."""
    return serving.info.shares_prefixes and model.own.engine.prefix_cache
