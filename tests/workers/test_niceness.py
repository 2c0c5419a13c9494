"""Who goes before whom, as Linux tells it: speech, then text, then batches of vectors."""

import os
import sys
from pathlib import Path

import pytest

from tests.flat_settings import flat_settings
from tests.workers.workers import COMMAND, WorkerScript
from xapp.backend.quiet_thread import QuietThread
from xapp.config import Settings
from xapp.domain.kinds import GENERATE
from xapp.served.dependencies import dependencies_for
from xapp.speech.engine.client import EngineProcess
from xapp.speech.engine.process import EngineSettings
from xapp.telemetry.latency import ModelLatencies
from xapp.workers.client import EngineClient
from xapp.workers.niceness import BESIDE_SPEECH

SPEAKING = flat_settings(speech_synthesis="hibari")
ENGINE = (sys.executable, "-m", "tests.speech.engine.scripted_engine")
_NICE, _POLICY = 18, 40
"""Places in /proc/PID/stat, from 0."""


def of_process(pid: int | str, place: int) -> int:
    """A number of /proc/PID/stat; the name, the second field, may have blanks."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(stat[place - 2])


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = EngineClient.__init__.__kwdefaults__ or {}
    monkeypatch.setitem(defaults, "command", COMMAND)


async def niceness_of_worker(script: WorkerScript, settings: Settings) -> int:
    """Of the worker that a node with these settings starts."""
    own, latencies = settings.engine, ModelLatencies()
    client = dependencies_for(settings).new_client(script.path, own, latencies, GENERATE)
    try:
        await client.load()
        return of_process(client.pid, _NICE)
    finally:
        await client.aclose()


async def niceness_of_engine() -> int:
    engine = EngineProcess("scripted", "good", EngineSettings(), ENGINE)
    try:
        await engine.load()
        return of_process(engine.pid, _NICE)
    finally:
        await engine.aclose()


async def test_speech_goes_before_text(script: WorkerScript) -> None:
    speech, text = await niceness_of_engine(), await niceness_of_worker(script, SPEAKING)
    assert text == min(speech + BESIDE_SPEECH, 19)
    assert speech < text


async def test_without_speech_a_worker_is_as_the_server(script: WorkerScript) -> None:
    assert await niceness_of_worker(script, flat_settings()) == of_process("self", _NICE)


async def test_text_goes_before_batches_of_vectors() -> None:
    policies: list[int] = []
    quiet = QuietThread()
    quiet.run(lambda: policies.append(of_process("thread-self", _POLICY)))
    quiet.close()
    assert policies == [os.SCHED_IDLE], "an idle thread gives way to a process of any niceness"


async def test_a_sandbox_that_forbids_it_stops_nothing(
    script: WorkerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(_: int) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "nice", forbidden)
    assert await niceness_of_worker(script, SPEAKING) == of_process("self", _NICE)
