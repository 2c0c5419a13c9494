"""The whole mode on a node with the fake backend."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_a_run_on_fakes(default_model_path: Path, tmp_path: Path) -> None:
    texts = ["Name a cell.", "What is a radio unit?", "Why is it down?", "List three causes."]
    lines = [{"category": "qa", "turns": [text]} for text in texts] * 2
    items, out = tmp_path / "items.jsonl", tmp_path / "out.json"
    items.write_text("".join(json.dumps(line) + "\n" for line in lines))
    command = [sys.executable, "-m", "xapp.cli", "bench", "lengths", "--model", str(default_model_path)]
    done = subprocess.run(
        [*command, "--items", str(items), "--max-tokens", "16", "--rounds", "1", "--out", str(out)],
        env={**os.environ, "XAPP_BACKEND": "fake"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    summary = {each["name"]: each for each in json.loads(out.read_text())["summary"]}
    assert summary["history: median error, a factor"]["value"] >= 1
    assert summary["probe: time of a prediction"]["value"] > 0
    assert summary["perception: time of a prediction"]["value"] > 0
