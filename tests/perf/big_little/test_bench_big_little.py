"""The whole mode on two nodes with the fake backend."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_a_run_on_fakes(default_model_path: Path, tmp_path: Path) -> None:
    row = {"kind": "mc", "source": "a", "question": "Which?", "choices": ["x", "y"], "answer": 0}
    data, out = tmp_path / "mix.jsonl", tmp_path / "out.json"
    data.write_text(json.dumps(row) + "\n")
    model = str(default_model_path)
    command = [sys.executable, "-m", "xapp.cli", "bench", "big-little", "--little", model, "--big", model]
    options = ["--data", str(data), "--items", "1", "--rtt", "0,5", "--fallback", "0.6", "--rollback", "5"]
    done = subprocess.run(
        [*command, *options, "--rounds", "1", "--out", str(out)],
        env={**os.environ, "XAPP_BACKEND": "fake"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    summary = {each["name"]: each for each in json.loads(out.read_text())["summary"]}
    assert summary["verified, 5 ms: same answer as big"]["value"] == 1.0
    assert summary["verified tokens/s at the big node: 8 sessions ÷ 1"]["value"] > 0
