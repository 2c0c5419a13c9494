"""The whole mode on a node with the fake backend."""

import json
from pathlib import Path

import pytest

from tests.perf.bench_on_fakes import summary_on_fakes

pytestmark = pytest.mark.slow


def test_a_run_on_fakes(default_model_path: Path, tmp_path: Path) -> None:
    texts = ["Name a cell.", "What is a radio unit?", "Why is it down?", "List three causes."]
    lines = [{"category": "qa", "turns": [text]} for text in texts] * 2
    items, out = tmp_path / "items.jsonl", tmp_path / "out.json"
    items.write_text("".join(json.dumps(line) + "\n" for line in lines))
    options = ["--model", str(default_model_path), "--items", str(items), "--max-tokens", "16"]
    summary = summary_on_fakes(out, "lengths", *options)
    assert summary["history: median error, a factor"]["value"] >= 1
    assert summary["probe: time of a prediction"]["value"] > 0
    assert summary["hidden: time of a prediction"]["value"] > 0
    assert summary["hidden state: median error, a factor"]["value"] >= 1
    assert summary["perception: time of a prediction"]["value"] > 0
    assert out.with_suffix(".svg").read_bytes().startswith(b"<?xml")
