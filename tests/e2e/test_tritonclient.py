"""The stock client of Triton, unchanged, against a real node."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live import serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
UV = Path(sys.executable).parent / "uv"
CALLER = Path(__file__).with_name("triton_caller.py")


def test_it_infers_and_streams(default_model_path: Path, user_cache: Path) -> None:
    with serving({"XAPP_MODEL": str(default_model_path), "XAPP_OPEN_INFERENCE": "true"}) as server:
        command = [str(UV), "run", "--quiet", "--no-project", "--isolated", "--with", "tritonclient[grpc]"]
        done = subprocess.run(
            [*command, "--python", sys.executable, str(CALLER), server.target, "smollm2-135m-q4_1"],
            env=os.environ | {"XDG_CACHE_HOME": str(user_cache), "PYTHONPATH": ""},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
    if done.returncode and ("Failed to fetch" in done.stderr or "error sending request" in done.stderr):
        pytest.skip("tritonclient cannot be fetched: " + done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "tensors text_output\nanswered True\n"
