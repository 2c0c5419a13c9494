"""Loads: the loads of models that go on, one at a time."""

import asyncio

from xapp.served.served_model import ServedModel


class Loads:
    """Loads by the name of their model.

    Each load sees the memory that the load before left. Two at once could both pass the check of memory where
    there is room for one.
    """

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._one_at_a_time = asyncio.Lock()

    def begin(self, model: ServedModel) -> "asyncio.Task[None]":
        """Loads the model when the loads before have ended. The model reports its state itself."""
        task = asyncio.create_task(self._load(model), name=f"load {model.name}")
        self._tasks[model.name] = task
        task.add_done_callback(lambda _: self._tasks.pop(model.name, None))
        return task

    async def _load(self, model: ServedModel) -> None:
        async with self._one_at_a_time:
            await model.load()

    async def cancel(self, name: str) -> None:
        """Ends the load of a model, if there is one."""
        await _end([task for key, task in self._tasks.items() if key == name])

    async def cancel_all(self) -> None:
        """Ends all loads."""
        await _end(list(self._tasks.values()))


async def _end(tasks: "list[asyncio.Task[None]]") -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
