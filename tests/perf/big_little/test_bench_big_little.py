"""The whole mode on two nodes with the fake backend."""

import json
from pathlib import Path

import pytest

from tests.perf.bench_on_fakes import summary_on_fakes

pytestmark = pytest.mark.slow


def test_a_run_on_fakes(default_model_path: Path, tmp_path: Path) -> None:
    row = {"kind": "mc", "source": "a", "question": "Which?", "choices": ["x", "y"], "answer": 0}
    data, out = tmp_path / "mix.jsonl", tmp_path / "out.json"
    data.write_text(json.dumps(row) + "\n")
    model = str(default_model_path)
    options = ["--data", str(data), "--items", "1", "--rtt", "0,5", "--fallback", "0.6", "--rollback", "5"]
    summary = summary_on_fakes(out, "big-little", "--little", model, "--big", model, *options)
    assert summary["verified, 5 ms: same answer as big"]["value"] == 1.0
    assert summary["verified tokens/s at the big node: 8 sessions ÷ 1"]["value"] > 0
