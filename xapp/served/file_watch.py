"""Checks the files of loaded models repeatedly. A model whose file has changed is loaded anew."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from xapp import logs
from xapp.domain.states import ModelState
from xapp.errors import ModelError
from xapp.models.mark import Mark
from xapp.served.changes import Changes
from xapp.served.served_file import FileChange
from xapp.served.served_model import ServedModel
from xapp.workers.supervisor import WorkerState

LOOK_S = 2.0
"""Interval of the checks, seconds. A change of a model's state also starts a check: one `stat` a file."""

_log = logging.getLogger(__name__)


class FileWatch:
    """`models` returns the models to check, `rehash` reads a whole file (in a thread), `renew` reloads a
    model.
    """

    def __init__(
        self,
        models: Callable[[], Iterable[ServedModel]],
        rehash: Callable[[Path], str],
        renew: Callable[[ServedModel], Awaitable[None]],
    ) -> None:
        self._models = models
        self._rehash = rehash
        self._renew = renew
        self._seen: dict[str, Mark] = {}

    async def run(self, changes: Changes) -> None:
        """Runs until cancelled."""
        while True:
            change = changes.next()
            for model in list(self._models()):
                await self.look(model)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await changes.wait(change)

    async def look(self, model: ServedModel) -> None:
        """Checks one model's file and acts on a change."""
        is_loading = model.serving is None and model.load_error is None
        if is_loading or model.state in (ModelState.DRAINING, ModelState.AVAILABLE):
            return
        change = model.disk.change
        if model.load_error is not None:
            # A file that is still being copied is not ready: wait until it stops changing.
            if change is not FileChange.NONE and self._is_settled(model):
                await self._renew(model)
        elif change is FileChange.WRITTEN or (change is FileChange.REPLACED and not _runs(model)):
            await self._renew_if_different(model)
        else:
            self._say(model, change)

    def _is_settled(self, model: ServedModel) -> bool:
        now = model.disk.now()
        before = self._seen.get(model.name)
        self._seen[model.name] = now
        return before == now

    async def _renew_if_different(self, model: ServedModel) -> None:
        """Keeps the model where the content is the same: the file was touched, or fetched again."""
        assert model.serving is not None
        mark = model.disk.now()
        try:
            digest = await asyncio.to_thread(self._rehash, model.disk.path)
        except ModelError as error:
            _log.warning("the changed file of %s cannot be read: %s", model.name, error.message)
            return
        if model.serving is not None and digest == model.serving.digest:
            model.disk.mark = mark
            self._say(model, FileChange.NONE)
            return
        fields: dict[str, object] = {"event": "file_changed", "model": model.name, "digest": digest}
        text = f"{model.disk.path} is a different file now: {model.name} is loaded anew"
        logs.event(_log, text, fields, level=logging.WARNING)
        await self._renew(model)

    def _say(self, model: ServedModel, change: FileChange) -> None:
        """Logs each change once."""
        if not model.warn(f"{model.disk.path}: {change}" if change else ""):
            return
        fields: dict[str, object] = {"event": "file_changed", "model": model.name}
        logs.event(_log, model.warning or f"{model.disk.path}: as it was", fields, level=logging.WARNING)


def _runs(model: ServedModel) -> bool:
    """Whether the model keeps running with the file that it has open."""
    can_start = model.serving is not None and model.serving.codec.can_start
    return model.supervisor.state is WorkerState.READY and can_start
