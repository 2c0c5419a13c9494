"""The client against a real process that speaks the real frames."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import psutil
import pytest

from tests.workers.scripted_worker import HELPER
from tests.workers.workers import COMMAND, WorkerScript, endless, read, submit, until
from xapp.config import EngineSettings
from xapp.domain.messages import FinishReason
from xapp.errors import DeadlineExceeded, ModelError, Unavailable
from xapp.telemetry.latency import ModelLatencies
from xapp.workers import client as client_module
from xapp.workers import process_client as process_client_module
from xapp.workers.client import EngineClient
from xapp.workers.token_stream import TokenStream
from xapp.workers.worker_exit import explain_exit, gave_up_at


@asynccontextmanager
async def loaded(client: EngineClient) -> AsyncIterator[EngineClient]:
    await client.load(timeout_s=30)
    try:
        yield client
    finally:
        await client.aclose()


async def steps(client: EngineClient, count: int) -> None:
    """Lets the worker go on for so many steps, or run out of work."""
    target = client.stats.total_steps + count
    await until(lambda: client.stats.total_steps >= target or client.num_open == 0)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_load_reports_progress_and_the_model(script: WorkerScript) -> None:
    client = script.client(slots=3)
    progress: list[float] = []
    info = await client.load(progress.append, timeout_s=30)
    await client.aclose()
    assert info.num_slots == 3
    assert progress == [0.5, 1.0]


async def test_tokens_come_in_order_then_finished(script: WorkerScript) -> None:
    async with loaded(script.client()) as client:
        stream = client.submit(submit("hello"))
        assert await read(stream) == "hello"
        assert stream.started is not None
        assert stream.finished is not None
        assert stream.finished.reason is FinishReason.STOP
        assert client.num_open == 0


async def test_many_streams_do_not_mix(script: WorkerScript) -> None:
    async with loaded(script.client(slots=4)) as client:
        texts = [f"text number {i} " * (i + 1) for i in range(12)]
        streams = [client.submit(submit(text)) for text in texts]
        assert await asyncio.gather(*map(read, streams)) == texts


async def test_a_slow_reader_gets_everything_at_once(script: WorkerScript) -> None:
    async with loaded(script.client()) as client:
        unread, other = client.submit(submit("abc")), client.submit(submit("abcdef"))
        await read(other)
        assert await unread.next() == [97, 98, 99]
        assert unread.done


async def test_cancel_ends_the_stream(script: WorkerScript) -> None:
    async with loaded(script.client()) as client:
        stream = client.submit(endless())
        await stream.next()
        client.cancel(stream.request.request_id)
        await read(stream)
        assert stream.finished is not None
        assert stream.finished.reason is FinishReason.CANCELLED


async def test_close_cancels_in_the_worker_once(script: WorkerScript) -> None:
    async with loaded(script.client()) as client:
        stream = client.submit(endless())
        await stream.next()
        stream.close()
        stream.close()
        await until(lambda: client.num_open == 0)


async def test_stats_follow_the_worker(script: WorkerScript) -> None:
    async with loaded(script.client()) as client:
        stream = client.submit(endless())
        await until(lambda: client.stats.num_running == 1)
        stream.close()


async def test_latencies_have_one_first_token_and_every_gap(script: WorkerScript) -> None:
    latencies = ModelLatencies()
    async with loaded(script.client(latencies=latencies)) as client:
        await asyncio.gather(*(read(client.submit(submit("0123456789"))) for _ in range(3)))
    assert sum(latencies.time_to_first_token_histogram.counts) == 3
    assert sum(latencies.inter_token_latency_histogram.counts) == 27
    assert latencies.inter_token_latency_histogram.sum_s >= 0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("SIGKILL", "XAPP_KV_CELLS"),
        ("SIGSEGV", "make rebuild"),
        ("SIGILL", "another CPU"),
        ("SIGABRT", "scripted: dying by SIGABRT"),
        ("SIGBUS", "truncated"),
    ],
)
async def test_a_dying_worker_fails_every_stream_and_says_why(
    script: WorkerScript, name: str, words: str
) -> None:
    async with loaded(script.client()) as client:
        bystander = client.submit(endless())
        victim = client.submit(submit(f"!{name}"))
        for stream in (victim, bystander):
            with pytest.raises(Unavailable) as caught:
                await read(stream)
            assert caught.value.reason == "WORKER_LOST"
            assert caught.value.retry_after_s is not None
            assert name in caught.value.message
            assert words in caught.value.message
        assert (await client.lost).reason == "WORKER_LOST"
        with pytest.raises(Unavailable):
            client.submit(submit("more"))


async def test_tokens_before_the_death_are_delivered(script: WorkerScript) -> None:
    async with loaded(script.client()) as client:
        stream = client.submit(submit("!SIGKILL"))
        await client.lost
        assert await stream.next() == [ord(char) for char in "!SI"]
        for _ in range(2):
            with pytest.raises(Unavailable):
                await stream.next()


async def test_an_exit_quotes_the_last_line(script: WorkerScript) -> None:
    async with loaded(script.client()) as client:
        with pytest.raises(Unavailable, match="exit code 3; its last output: scripted: giving up"):
            await read(client.submit(submit("!exit")))


async def test_an_assertion_while_loading_is_quoted_and_about_the_model(script: WorkerScript) -> None:
    script.load("assert")
    client = script.client()
    with pytest.raises(ModelError, match=r": ggml\.c:12: GGML_ASSERT\(a == b\) failed$") as caught:
        await client.load(timeout_s=30)
    assert caught.value.reason == "UNSUPPORTED_MODEL"


async def test_a_lost_helper_is_named(script: WorkerScript) -> None:
    async with loaded(script.client()) as client:
        with pytest.raises(Unavailable, match=f"the helper {HELPER} broke") as caught:
            await read(client.submit(submit("!lost")))
    assert caught.value.reason == "RPC_HOST_LOST"
    assert caught.value.metadata == {"host": HELPER}
    assert caught.value.retry_after_s


async def test_a_helper_that_is_lost_while_loading_is_no_fault_of_the_model(script: WorkerScript) -> None:
    script.load("lost")
    with pytest.raises(Unavailable, match=HELPER) as caught:
        await script.client().load(timeout_s=30)
    assert caught.value.reason == "RPC_HOST_LOST"


async def test_load_failed_is_a_model_error(script: WorkerScript) -> None:
    script.load("fail")
    client = script.client()
    with pytest.raises(ModelError, match=r"model\.gguf: not a GGUF file"):
        await client.load(timeout_s=30)
    assert not is_alive(client.pid)


async def test_a_death_while_loading_is_told(script: WorkerScript) -> None:
    script.load("SIGSEGV")
    with pytest.raises(Unavailable, match="SIGSEGV"):
        await script.client().load(timeout_s=30)


async def test_a_worker_that_never_gets_ready_is_ended(script: WorkerScript) -> None:
    script.load("silent")
    client = script.client()
    with pytest.raises(Unavailable) as caught:
        await client.load(timeout_s=1)
    assert caught.value.reason == "LOAD_TIMEOUT"
    assert caught.value.retry_after_s
    assert not is_alive(client.pid)


async def test_a_cancelled_load_leaves_no_process(script: WorkerScript) -> None:
    script.load("silent")
    client = script.client()
    progress = asyncio.Event()
    load = asyncio.create_task(client.load(lambda _: progress.set()))
    await progress.wait()
    load.cancel()
    with pytest.raises(asyncio.CancelledError):
        await load
    assert not is_alive(client.pid)


async def test_garbage_ends_the_worker(script: WorkerScript) -> None:
    script.load("garbage")
    with pytest.raises(Unavailable, match="invalid message"):
        await script.client().load(timeout_s=30)


async def test_no_worker_program(script: WorkerScript) -> None:
    client = EngineClient(str(script.path), EngineSettings(slots=4), command=("/does/not/exist",))
    with pytest.raises(Unavailable, match="cannot start a worker"):
        await client.load()


async def test_closing_ends_open_streams_and_the_process(script: WorkerScript) -> None:
    client = script.client()
    await client.load(timeout_s=30)
    stream = client.submit(endless())
    await client.aclose()
    await client.aclose()
    with pytest.raises(Unavailable) as caught:
        await read(stream)
    assert caught.value.reason == "DRAINING"
    assert not is_alive(client.pid)


async def test_a_stuck_worker_does_not_outlast_the_deadline(
    script: WorkerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "DEADLINE_SLACK_S", 0.0)
    async with loaded(script.client()) as client:
        stream = client.submit(submit("!silent", deadline=monotonic() + 0.05))
        with pytest.raises(DeadlineExceeded):
            await read(stream)
        stream.close()


async def test_a_worker_that_does_not_read_is_refused_more(
    script: WorkerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_client_module, "MAX_UNSENT_BYTES", 100_000)
    async with loaded(script.client()) as client:
        client.submit(submit("!hang"))
        await until(lambda: client.silence_s > 0.1)
        with pytest.raises(Unavailable) as caught:
            deque((client.submit(submit("x" * 10_000)) for _ in range(1000)), maxlen=0)
        assert caught.value.reason == "WORKER_STALLED"
        assert client.num_open < 1000


async def test_killing_says_why(script: WorkerScript) -> None:
    async with loaded(script.client()) as client:
        stream = client.submit(endless())
        client.kill("it was stuck")
        with pytest.raises(Unavailable, match="it was stuck"):
            await read(stream)


@pytest.mark.parametrize("seed", range(3))
async def test_every_request_ends_exactly_once(script: WorkerScript, seed: int) -> None:
    """Whatever the order of submits, cancels, closes and the worker's death."""
    rng = random.Random(seed)
    async with loaded(script.client(slots=2)) as client:
        streams: list[TokenStream] = []
        ends: list[str] = []

        async def consume(stream: TokenStream) -> None:
            try:
                await read(stream)
            except Unavailable:
                ends.append("failed")
            else:
                ends.append("finished")

        async with asyncio.TaskGroup() as group:
            for _ in range(30):
                streams.append(client.submit(rng.choice([endless, lambda: submit("short")])()))
                group.create_task(consume(streams[-1]))
                if rng.random() < 0.4:
                    client.cancel(rng.choice(streams).request.request_id)
                if rng.random() < 0.3:
                    await steps(client, rng.randrange(3))
            os.kill(client.pid, signal.SIGKILL)
        assert len(ends) == len(streams)
        assert client.num_open == 0


ABORTED = -signal.SIGABRT
ASSERTED = "ggml-backend.cpp:7: GGML_ASSERT(n > 0) failed"


@pytest.mark.parametrize(
    ("code", "lines", "found"),
    [
        (ABORTED, [f"/home/x/src/{ASSERTED}"], ASSERTED),
        (ABORTED, [ASSERTED, "", "[New LWP 7]", "[Inferior 1 (process 9) detached]"], ASSERTED),
        (ABORTED, ["/src/ops.cpp:1: fatal error"], "ops.cpp:1: fatal error"),
        (ABORTED, ["terminate called after throwing"], ""),
        (ABORTED, [], ""),
        (-signal.SIGSEGV, [ASSERTED], ""),
        (1, [ASSERTED], ""),
    ],
)
def test_where_native_code_gave_up(code: int, lines: list[str], found: str) -> None:
    assert gave_up_at(code, lines) == found


ORPHANING = """
import asyncio, os, signal, sys
from xapp.workers.process import spawn

async def main():
    worker, _ = await spawn(sys.argv[2:], sys.argv[1], '{"slots": 1}')
    os.kill(worker.pid, signal.SIGSTOP)
    print(worker.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.mark.slow
def test_a_stopped_worker_does_not_outlive_its_server(script: WorkerScript) -> None:
    command = [sys.executable, "-c", ORPHANING, str(script.path), *COMMAND]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    with contextlib.suppress(psutil.NoSuchProcess):
        # Whoever adopts it may never ask for its exit status: then it stays a zombie.
        orphan = psutil.Process(int(done.stdout))
        with contextlib.suppress(psutil.TimeoutExpired):
            orphan.wait(20)
        assert orphan.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("code", "text"),
    [(0, "exit code 0"), (1, "its last output: boom"), (-64, "boom"), (-signal.SIGTERM, "SIGTERM")],
)
def test_every_exit_has_an_explanation(code: int, text: str) -> None:
    assert text in explain_exit(code, "boom")


def test_a_worker_that_the_kernel_killed_for_memory_is_told_from_another() -> None:
    assert "the container is out of memory" in explain_exit(-signal.SIGKILL, "", for_memory=True)
    assert "probably out of memory" in explain_exit(-signal.SIGKILL, "")
    assert "memory" not in explain_exit(-signal.SIGTERM, "", for_memory=True)
