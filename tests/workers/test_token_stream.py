"""Readers of one record: what each gets, and when the computation ends with them."""

import asyncio

import pytest

from xapp.domain.messages import FinishReason, SequenceFinished, SequenceStarted, Submit
from xapp.errors import DeadlineExceeded, Unavailable
from xapp.workers.token_record import TokenRecord
from xapp.workers.token_stream import TokenStream

FAR = 1e9


class Recorded:
    """A record and what it asked of the worker."""

    def __init__(self, within_s: float = FAR) -> None:
        self.cancelled: list[int] = []
        self.extended: list[float] = []
        self.record = TokenRecord(
            self.request(within_s), self.cancelled.append, lambda _, deadline: self.extended.append(deadline)
        )
        self.stream = TokenStream(self.record, self.record.request)

    @staticmethod
    def request(within_s: float = FAR) -> Submit:
        return Submit(7, [1, 2], 100, deadline=asyncio.get_running_loop().time() + within_s)

    def push(self, *tokens: int) -> None:
        for token in tokens:
            self.record.push(token)

    def finish(self) -> None:
        count = len(self.record.tokens)
        self.record.on_finished(SequenceFinished(7, 0.0, FinishReason.STOP, 0, count))


async def test_who_joins_gets_it_all_and_then_what_comes() -> None:
    recorded = Recorded()
    recorded.record.on_started(SequenceStarted(7, 0.0, 1))
    recorded.push(10, 11)
    assert await recorded.stream.next() == [10, 11]
    joined = recorded.stream.join(recorded.request())
    assert joined.joined_at is not None
    assert joined.started is recorded.stream.started
    assert await joined.next() == [10, 11]
    recorded.push(12)
    assert [await each.next() for each in (joined, recorded.stream)] == [[12], [12]]
    recorded.finish()
    assert joined.done
    assert recorded.stream.done


async def test_who_joins_before_anything_came_is_told_so_at_once() -> None:
    recorded = Recorded()
    joined = recorded.stream.join(recorded.request())
    assert await joined.next() == []
    waiting = asyncio.create_task(joined.next())
    await asyncio.sleep(0)
    assert not waiting.done()
    recorded.push(10)
    assert await waiting == [10]


@pytest.mark.parametrize("first", [0, 1])
async def test_the_last_one_to_leave_cancels(first: int) -> None:
    recorded = Recorded()
    readers = [recorded.stream, recorded.stream.join(recorded.request())]
    readers[first].close()
    readers[first].close()
    recorded.push(10)
    assert await readers[1 - first].next() == [10]
    assert (recorded.cancelled, recorded.record.joinable) == ([], True)
    readers[1 - first].close()
    assert (recorded.cancelled, recorded.record.joinable) == ([7], False)


async def test_whoever_leaves_after_the_end_cancels_nothing() -> None:
    recorded = Recorded()
    joined = recorded.stream.join(recorded.request())
    recorded.finish()
    assert not recorded.record.joinable
    for reader in (recorded.stream, joined):
        reader.close()
    assert recorded.cancelled == []


async def test_a_later_deadline_is_told_and_an_earlier_one_is_not() -> None:
    recorded = Recorded(100.0)
    earlier = recorded.stream.join(recorded.request(50.0))
    assert recorded.extended == []
    later = recorded.stream.join(recorded.request(200.0))
    assert recorded.extended == [later.request.deadline] == [recorded.record.deadline]
    for reader in (recorded.stream, earlier, later):
        reader.close()


async def test_each_fails_alone() -> None:
    recorded = Recorded()
    joined = recorded.stream.join(recorded.request())
    recorded.push(10)
    joined.fail(DeadlineExceeded("too late"))
    recorded.push(11)
    assert await joined.next() == [10]
    for _ in range(2):
        with pytest.raises(DeadlineExceeded):
            await joined.next()
    assert await recorded.stream.next() == [10, 11]
    recorded.finish()
    assert (joined.done, joined.finished) == (False, None)
    assert recorded.stream.done


async def test_who_fails_last_cancels() -> None:
    recorded = Recorded()
    joined = recorded.stream.join(recorded.request(0.0))
    recorded.stream.close()
    assert await joined.next() == []
    with pytest.raises(DeadlineExceeded, match="after 0 tokens"):
        await joined.next()
    assert recorded.cancelled == [7]


async def test_a_lost_worker_is_told_to_each_after_the_tokens_before() -> None:
    recorded = Recorded()
    readers = [recorded.stream, recorded.stream.join(recorded.request())]
    recorded.push(10)
    recorded.record.fail(Unavailable("gone"))
    for reader in readers:
        assert await reader.next() == [10]
        with pytest.raises(Unavailable, match="gone"):
            await reader.next()
        reader.close()
    assert recorded.cancelled == []
