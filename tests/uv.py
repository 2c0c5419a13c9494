"""Packages of the index, for tests that need an environment of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

UV = Path(sys.executable).parent / "uv"
_NO_INDEX = (
    "error sending request",
    "Failed to fetch",
    "dns error",
    "client error",
    "Network is unreachable",
)


def uv(*args: str, **environ: str) -> str:
    """Skips where the package index cannot be reached."""
    done = subprocess.run(
        [str(UV), *args], env=os.environ | environ, capture_output=True, text=True, timeout=250, check=False
    )
    if done.returncode and any(sign in done.stderr for sign in _NO_INDEX):
        pytest.skip("the package index cannot be reached: " + done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
