"""Shelf: the collections of a node, open. Blocking work runs in threads, for one collection one at a time.

A collection that cannot be used is tried again when somebody asks for it: the process that had it may have
ended, and a damaged file may have been replaced by its back-up.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from time import monotonic
from typing import TypeVar

from xapp import logs
from xapp.domain.collection import CollectionInfo
from xapp.errors import Exhausted, FailedPrecondition, NotFound, Unavailable, XappError
from xapp.retrieval.store.base import Key, Stores, VectorStore, owner_of

THREADS = 4
MAX_PENDING = 128
_RETRY_AFTER_S = 1.0
TRY_AGAIN_S = 1.0
_REST = 10
"""A collection that cannot be used is not tried again for this many times the time that its last try took."""
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Opened:
    """A collection. `store` is None while it cannot be used: `error` says why. `info` is of its last use."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.lock = asyncio.Lock()
        self.store: VectorStore | None = None
        self.error: XappError | None = None
        self.info = CollectionInfo(key.name, key.owner)
        self.used = 0
        self.try_again_at = 0.0

    def failed(self, error: XappError) -> None:
        """It cannot be used from now on."""
        if self.store is not None:
            self.store.close()
        self.store, self.error = None, error
        self.info = replace(self.info, error=error.message, reason=error.reason)


class Shelf:
    """`start` first, `aclose` last. `cache_bytes`: memory for vectors of all collections."""

    def __init__(self, stores: Stores, cache_bytes: int, clock: Callable[[], float] = monotonic) -> None:
        self._stores = stores
        self._clock = clock
        self._cache_bytes = cache_bytes
        self._opened: dict[Key, Opened] = {}
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="retrieval")
        self._looking = asyncio.Lock()
        self._starting: asyncio.Task[None] | None = None
        self._num_pending = 0
        self._uses = 0
        self._closed = False

    def start(self) -> None:
        """Opens and checks every collection, and returns at once."""
        self._starting = asyncio.create_task(self._begin())

    async def _begin(self) -> None:
        """A database that does not answer is asked again by the first caller."""
        try:
            await self._look()
        except XappError as error:
            _failed(error, "")

    async def aclose(self) -> None:
        """Closes every collection. Safe to call twice."""
        self._closed = True
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])
        for opened in self._opened.values():
            async with opened.lock:
                if opened.store is not None:
                    await self._finish(opened.store.close)
                opened.store, opened.error = None, _ending()
        self._opened.clear()
        self._stores.close()
        self._pool.shutdown(wait=False)

    # ---- lookup

    async def _look(self) -> None:
        """Opens collections that are new, and those that failed a while ago. Forgets those that are gone."""
        async with self._looking:
            keys = await self.in_thread(self._stores.all_keys)
            for gone in self._opened.keys() - set(keys):
                self._opened.pop(gone).failed(_not_found(gone.name))
            for key in keys:
                await self._try(self._opened.get(key) or Opened(key))

    async def _try(self, opened: Opened) -> None:
        """Opens a collection that is not open, unless it failed a moment ago. `_looking` is held."""
        if opened.store is not None or (begun := self._clock()) < opened.try_again_at:
            return
        try:
            opened.store = await self.in_thread(lambda: self._stores.open(opened.key))
            opened.info = await self.in_thread(opened.store.info)
            opened.error = None
        except XappError as error:
            if opened.info.reason != error.reason:
                _failed(error, opened.key.name)
            opened.failed(error)
            now = self._clock()
            opened.try_again_at = now + max(TRY_AGAIN_S, _REST * (now - begun))
        self._opened[opened.key] = opened

    async def list(self, scope: str) -> list[CollectionInfo]:
        """What the scope may use, by name. Its own collection hides a shared collection of the same name."""
        await self._look()
        found: dict[str, Opened] = {}
        for owner in ("", owner_of(scope)):
            found |= {key.name: each for key, each in self._opened.items() if key.owner == owner}
        return [(await self._told(found[name])) for name in sorted(found)]

    async def _told(self, opened: Opened) -> CollectionInfo:
        return await self.describe(opened) if opened.store is not None else opened.info

    async def find(self, name: str, scope: str) -> Opened:
        """The scope's own collection, else the shared collection. Raises NotFound."""
        if (found := self._known(name, scope)) is None or found.store is None:
            await self._look()
            found = self._known(name, scope)
        if found is None:
            raise _not_found(name)
        return found

    def _known(self, name: str, scope: str) -> Opened | None:
        own = self._opened.get(Key(owner_of(scope), name)) if scope else None
        return own or self._opened.get(Key("", name))

    def count(self) -> int:
        """All collections."""
        return len(self._opened)

    # ---- use

    async def describe(self, opened: Opened) -> CollectionInfo:
        """The collection as it is now."""
        opened.info = await self.run(opened, lambda store: store.info())
        return opened.info

    async def run(self, opened: Opened, work: Callable[[VectorStore], _T]) -> _T:
        """Runs `work` with the collection in a thread. A collection that is found damaged is closed.

        Raises the error of a collection that cannot be used, and Exhausted where too many callers wait.
        """
        if self._num_pending >= MAX_PENDING:
            raise Exhausted(f"{self._num_pending} callers wait for collections", retry_after_s=_RETRY_AFTER_S)
        self._num_pending += 1
        try:
            async with opened.lock:
                return await self._use(opened, work)
        finally:
            self._num_pending -= 1

    async def _use(self, opened: Opened, work: Callable[[VectorStore], _T]) -> _T:
        store = opened.store
        if store is None:
            assert opened.error is not None
            raise type(opened.error)(opened.error.message, reason=opened.error.reason)
        self._uses += 1
        opened.used = self._uses
        try:
            return await self.in_thread(lambda: work(store))
        except FailedPrecondition as error:
            if error.reason == "COLLECTION_DAMAGED":
                opened.failed(error)
            raise
        finally:
            self._spare_memory()

    async def in_thread(self, work: Callable[[], _T]) -> _T:
        """Runs `work` in a thread. Raises Unavailable once the node ends."""
        if self._closed:
            raise _ending()
        return await self._finish(work)

    async def _finish(self, work: Callable[[], _T]) -> _T:
        """A cancelled caller waits for the thread: a collection is never used by two."""
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise

    def _spare_memory(self) -> None:
        """Forgets the vectors of collections that nobody has searched for longest."""
        idle = [each for each in self._opened.values() if each.store is not None and not each.lock.locked()]
        total = sum(_cached(each) for each in self._opened.values())
        for each in sorted(idle, key=lambda each: each.used):
            if total <= self._cache_bytes:
                return
            total -= _cached(each)
            if each.store is not None:
                each.store.forget()

    # ---- change

    async def create(self, key: Key, info: CollectionInfo) -> Opened:
        """A new collection. Raises AlreadyExists, Exhausted (DISK_FULL)."""
        opened = Opened(key)
        async with self._looking:
            opened.store = await self.in_thread(lambda: self._stores.create(key, info))
            opened.info = await self.in_thread(opened.store.info)
            self._opened[key] = opened
        return opened

    async def drop(self, opened: Opened) -> None:
        """Removes a collection."""
        async with self._looking, opened.lock:
            if opened.store is not None:
                await self.in_thread(opened.store.close)
            opened.store, opened.error = None, _not_found(opened.key.name)
            self._opened.pop(opened.key, None)
            await self.in_thread(lambda: self._stores.drop(opened.key))


def _failed(error: XappError, collection: str) -> None:
    fields: dict[str, object] = {
        "event": "collection_failed",
        "collection": collection,
        "reason": error.reason,
    }
    logs.event(_log, error.message, fields, level=logging.ERROR)


def _ending() -> Unavailable:
    return Unavailable("the node ends", reason="DRAINING", retry_after_s=_RETRY_AFTER_S)


def _cached(opened: Opened) -> int:
    return opened.store.cached_bytes if opened.store is not None else 0


def _not_found(name: str) -> NotFound:
    return NotFound(
        f"no collection {name[:64]!r}", reason="COLLECTION_NOT_FOUND", metadata={"collection": name[:64]}
    )
