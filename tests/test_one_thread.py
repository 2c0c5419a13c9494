import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from xapp.errors import Exhausted
from xapp.one_thread import MAX_PENDING, OneThread


@pytest.fixture
async def thread() -> AsyncIterator[OneThread]:
    thread = OneThread("test", "texts")
    yield thread
    thread.close()


async def test_work_is_done_in_one_thread_in_order(thread: OneThread) -> None:
    seen: list[tuple[int, int]] = []
    works = [lambda i=i: seen.append((i, threading.get_ident())) for i in range(20)]
    await asyncio.gather(*(thread.run_for_caller(work) for work in works))
    assert [i for i, _ in seen] == list(range(20))
    assert len({ident for _, ident in seen}) == 1
    assert seen[0][1] != threading.get_ident()


async def test_callers_are_bounded_and_the_node_is_not(thread: OneThread) -> None:
    go_on = threading.Event()
    waiting = [asyncio.create_task(thread.run_for_caller(go_on.wait)) for _ in range(MAX_PENDING)]
    await asyncio.sleep(0)
    with pytest.raises(Exhausted, match=f"{MAX_PENDING} texts are being checked"):
        await thread.run_for_caller(go_on.wait)
    own = asyncio.create_task(thread.run(go_on.wait))
    go_on.set()
    assert all(await asyncio.gather(*waiting, own))
    assert await thread.run_for_caller(go_on.is_set)


async def test_an_error_is_the_callers_and_frees_its_place(thread: OneThread) -> None:
    for _ in range(MAX_PENDING + 1):
        with pytest.raises(ZeroDivisionError):
            await thread.run_for_caller(lambda: 1 / 0)
