"""The client for programs without asyncio: the same methods, which block.

with SyncClient("127.0.0.1:50051") as client:
    for text in client.stream_text("What is O-RAN?", max_tokens=64, deadline_s=30):
        print(text, end="")
"""

import asyncio
import functools
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from xapp.client.client import Client
from xapp.hosts import DEFAULT_TARGET

_P = ParamSpec("_P")
_T = TypeVar("_T")


def _blocking(
    method: Callable[Concatenate[Client, _P], Coroutine[Any, Any, _T]],
) -> Callable[Concatenate["SyncClient", _P], _T]:
    def call(self: "SyncClient", /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return self.wait_for(method(self.client, *args, **kwargs))

    functools.update_wrapper(call, method)
    return call


def _streaming(
    method: Callable[Concatenate[Client, _P], AsyncGenerator[_T, None]],
) -> Callable[Concatenate["SyncClient", _P], Generator[_T, None, None]]:
    def call(self: "SyncClient", /, *args: _P.args, **kwargs: _P.kwargs) -> Generator[_T, None, None]:
        return self.iterate(method(self.client, *args, **kwargs))

    functools.update_wrapper(call, method)
    return call


class SyncClient:
    """One target; `options` are those of `Client`. Use it as a context manager, from any number of threads.

    A method of a stream returns a generator. To close the generator cancels the call on the node. An event
    loop in a thread of its own does the work.
    """

    generate = _streaming(Client.generate)
    generate_request = _streaming(Client.generate_request)
    # mypy thinks that `self` may be among **options.
    stream_text = _streaming(Client.stream_text)  # type: ignore[arg-type]
    metrics = _streaming(Client.metrics)
    load_model = _streaming(Client.load_model)
    score = _blocking(Client.score)
    score_request = _blocking(Client.score_request)
    embed = _blocking(Client.embed)
    embed_request = _blocking(Client.embed_request)
    rerank = _blocking(Client.rerank)
    rerank_request = _blocking(Client.rerank_request)
    create_collection = _blocking(Client.create_collection)
    get_collection = _blocking(Client.get_collection)
    list_collections = _blocking(Client.list_collections)
    delete_collection = _blocking(Client.delete_collection)
    upsert = _blocking(Client.upsert)
    delete_documents = _blocking(Client.delete_documents)
    list_documents = _streaming(Client.list_documents)
    search = _blocking(Client.search)
    backup = _streaming(Client.backup)
    estimate = _blocking(Client.estimate)
    tokenize = _blocking(Client.tokenize)
    list_tasks = _blocking(Client.list_tasks)
    list_models = _blocking(Client.list_models)
    unload_model = _blocking(Client.unload_model)
    wait_until_serving = _blocking(Client.wait_until_serving)

    def __init__(self, target: str = DEFAULT_TARGET, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="genai-xapp-client", daemon=True)
        self._thread.start()
        try:
            self.client = self.wait_for(_opened(target, options))
        except BaseException:
            self._stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends all calls. A second call does nothing."""
        if not self._loop.is_closed():
            self.wait_for(self.client.close())
            self._stop()

    def wait_for(self, work: Coroutine[Any, Any, _T]) -> _T:
        """The result of a coroutine of the client. What interrupts the wait cancels the coroutine."""
        if self._loop.is_closed():
            work.close()
            raise RuntimeError("the client is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def iterate(self, events: AsyncGenerator[_T, None]) -> Generator[_T, None, None]:
        """The items of an async generator of the client, which is closed with this generator."""
        # What interrupts a wait leaves a step that is still ending: the close has to come after it.
        in_turn = asyncio.Lock()
        try:
            while True:
                try:
                    item = self.wait_for(_next(events, in_turn))
                except StopAsyncIteration:
                    return
                yield item
        finally:
            if not self._loop.is_closed():
                self.wait_for(_close(events, in_turn))

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _opened(target: str, options: dict[str, Any]) -> Client:
    """A channel belongs to the loop in which it is made."""
    return Client(target, **options)


async def _next(events: AsyncGenerator[_T, None], in_turn: asyncio.Lock) -> _T:
    async with in_turn:
        return await anext(events)


async def _close(events: AsyncGenerator[_T, None], in_turn: asyncio.Lock) -> None:
    async with in_turn:
        await events.aclose()
