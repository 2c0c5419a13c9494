"""`genai-xapp bench load` on its command line: what makes no sense together, and real servers."""

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from perf.cli.bench_load import load
from perf.record.result_files import read_result
from perf.record.result_schema import Status
from tests.scripted_node import ScriptedNode, scripted_node
from xapp.inference.v1 import inference_pb2 as pb

COMMAND = [sys.executable, "-m", "xapp.cli", "bench", "load"]
SHORT = ["--requests", "4", "--prompt-tokens", "40", "--output-tokens", "6", "--warmup", "1"]


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["--concurrency", "0"], "above 0"),
        (["--concurrency", "1,x"], "no list of numbers"),
        (["--rate", "1,1"], "twice"),
        (["--target", "a:1", "--openai", "http://a"], "one of them"),
        (["--arrivals", "gamma"], "needs --burstiness"),
        (["--burstiness", "2"], "needs --arrivals gamma"),
        (["--find-rate"], "needs a limit"),
        (["--mix", "urgent:1"], "--mix: 'urgent'"),
        (["--mix", "batch:1", "--deadline", "1s"], "--mix stands alone"),
        (["--prompt-tokens", "3"], "--prompt-tokens: 3 tokens is not in 16 to"),
        (
            ["--shared-prefix", "100", "--prompt-tokens", "100"],
            "--prompt-tokens: 100 tokens is not in 116 to",
        ),
        (["--output-tokens", "much"], "--output-tokens: 'much' is no length"),
        (["--rate", "90000", "--duration", "60s"], "--rate: more than 100000"),
        (["--concurrency", "300"], "beyond --max-in-flight"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_starts(args: list[str], reason: str) -> None:
    found = CliRunner().invoke(load, args)
    assert found.exit_code == 2
    said = " ".join(found.output.split())
    assert reason in said
    assert any(arg in said.partition("Error: ")[2] for arg in args if arg.startswith("--")), "names no option"


def test_a_bad_trace_is_named_with_its_line(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    trace.write_text('{"prompt": "x", "max_tokens": 4}\n{"prompt": "x"}\n')
    found = CliRunner().invoke(load, ["--trace", str(trace)])
    assert found.exit_code == 1
    assert "trace.jsonl, line 2" in found.output


@pytest.mark.parametrize("kind", ["--target", "--openai"])
def test_nobody_listening_is_one_line(tmp_path: Path, kind: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        found = CliRunner().invoke(load, [kind, address, "--out", str(tmp_path / "a.json")])
    assert found.exit_code == 1
    assert found.output.startswith("Error: ")
    assert address in found.output
    assert "Traceback" not in found.output
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_server_of_its_own_closed_open_and_by_trace(tmp_path: Path, shallow_model_path: Path) -> None:
    out = tmp_path / "a.json"
    args = ["--model", str(shallow_model_path), "--concurrency", "2", "--rate", "4", *SHORT]
    found = CliRunner().invoke(load, [*args, "--limit-ttft", "60s", "--out", str(out)])
    assert found.exit_code == 0, found.output
    read = read_result(out)
    assert read.status is Status.COMPLETE
    figures = {(each.group, each.name): each.value for each in read.summary}
    for group in ("concurrency=2", "rate=4"):
        assert figures[group, "errors"] == 0
        assert figures[group, "attainment"] == 1
        assert (figures[group, "ttft.p50"] or 0) > 0
    requests = [each for each in read.samples if each["kind"] == "load-request"]
    assert {(each["num_prompt_tokens"], each["num_completion_tokens"]) for each in requests} == {(40, 6)}


class Requests(list[pb.GenerateRequest]):
    """Tells when a fifth one has come: then two at least of the load are answered."""

    def __init__(self) -> None:
        super().__init__()
        self.enough = threading.Event()

    def append(self, request: pb.GenerateRequest) -> None:
        super().append(request)
        if len(self) == 5:
            self.enough.set()


@contextmanager
def loading(node: ScriptedNode, out: Path) -> Iterator["subprocess.Popen[str]"]:
    """A run on `node` in a process of its own, well under way."""
    node.requests = requests = Requests()
    where = ["--target", node.target, "--out", str(out)]
    # Tests in the background of a shell inherit that SIGINT is ignored.
    command = [
        "env",
        "--default-signal=INT",
        *COMMAND,
        *where,
        "--rate",
        "20",
        "--duration",
        "600s",
        *SHORT[2:],
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert requests.enough.wait(60)
        yield process
    finally:
        process.kill()
        process.communicate()


def num_answered(rows: list[dict[str, Any]]) -> int:
    return sum(row["kind"] == "load-request" and not row["error"] for row in rows)


@pytest.mark.slow
def test_a_server_that_ends_in_mid_run_leaves_a_partial_result(tmp_path: Path) -> None:
    out = tmp_path / "a.json"
    with ExitStack() as run:
        with scripted_node() as node:
            process = run.enter_context(loading(node, out))
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "missing: rate=20: the target was lost" in said
    assert "the same command" in said
    read = read_result(out)
    assert read.status is Status.PARTIAL
    assert num_answered(read.samples) >= 2


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_measured(tmp_path: Path) -> None:
    out = tmp_path / "a.json"
    with scripted_node() as node, loading(node, out) as process:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "give the same command again" in said
    rows = [json.loads(line) for line in (tmp_path / "a.json.part").read_text().splitlines()[1:]]
    assert num_answered(rows) >= 2
