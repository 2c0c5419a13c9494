import os
import subprocess
import sys

import pytest

from tests.live import MODEST, LiveServer
from xapp.client import Client, user

pytestmark = pytest.mark.slow


def test_demo_does_it_all(default_model_path: object) -> None:
    command = [sys.executable, "-m", "xapp.cli", "demo", "--max-tokens", "16"]
    # As a user types it: the node measures itself.
    usual = {name: value for name, value in os.environ.items() if name not in MODEST}
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, env=usual)
    assert done.returncode == 0, done.stdout + done.stderr
    for part in ("health: SERVING", "TTFT", "tokens/s", "Metrics: one sample", "exit code 0"):
        assert part in done.stdout


async def test_a_real_model_answers_and_counts(live_model_server: LiveServer) -> None:
    async with Client(live_model_server.target) as client:
        events = [e async for e in client.generate([user("Say hello.")], max_tokens=12, deadline_s=60)]
    kinds = [event.WhichOneof("event") for event in events]
    assert (kinds[0], kinds[-1]) == ("started", "finished")
    assert events[-1].finished.usage.num_completion_tokens >= 1
    assert "".join(e.chunk.text for e in events)


def test_the_demo_of_two_models(default_model_path: object) -> None:
    command = [sys.executable, "-m", "xapp.cli", "demo-big-little", "--max-tokens", "12"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for part in ("little alone:", "big alone:", "verified:", "big-little:", "guided:", "big passes"):
        assert part in done.stdout
