import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from tests.scripted_node import Hang, ScriptedNode, bad_field, chunk, finished, scripted_node, started
from xapp.cli import main
from xapp.cli.options import Duration
from xapp.inference.v1 import inference_pb2 as pb


@pytest.fixture
def node() -> Iterator[ScriptedNode]:
    with scripted_node() as node:
        yield node


def invoke(*args: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, args, input=stdin)


def test_overview_tells_every_command_without_importing_it() -> None:
    code = "import sys; from xapp.cli import main; main(['--help'], standalone_mode=False); "
    code += "print([m for m in ('msgspec', 'jinja2', 'huggingface_hub', 'aiohttp') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for command in ("serve", "generate", "tokenize", "metrics", "models", "demo"):
        assert f"  {command} " in done.stdout
    assert done.stdout.endswith("[]\n")


def test_a_missing_extra_is_named() -> None:
    code = "import sys; sys.modules['msgspec'] = None; from xapp.cli import main; main(['serve', '--help'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "this command needs the server extra: pip install '.[server]'" in done.stderr


def test_generate_streams_and_tells_figures(node: ScriptedNode) -> None:
    result = invoke("generate", "hi", "--target", node.target, "--system", "Be brief.", "--stats")
    assert result.exit_code == 0
    assert result.stdout == "Hello wörld\n"
    assert "TTFT" in result.stderr
    assert "2 tokens · prompt 3 (0 cached) · ended by stop" in result.stderr
    assert [m.content for m in node.requests[0].chat.messages] == ["Be brief.", "hi"]


def test_generate_passes_what_is_given_and_no_more(node: ScriptedNode) -> None:
    target = ("--target", node.target)
    invoke("generate", "-", "--raw", "--top-p", "0.5", "--seed", "7", "--stop", "a", *target, stdin="piped")
    request = node.requests[0]
    assert request.prompt == "piped"
    assert (request.sampling.top_p, request.sampling.seed, list(request.stop)) == (0.5, 7, ["a"])
    assert not request.sampling.HasField("temperature")
    assert not request.HasField("max_tokens")
    invoke("generate", *target, stdin="no dash")
    assert not node.requests[1].HasField("sampling")
    assert node.requests[1].chat.messages[0].content == "no dash"


@pytest.mark.parametrize("strategy", ["plain", "ngram", "draft", "auto", None])
def test_generate_asks_for_a_strategy_where_one_is_given(node: ScriptedNode, strategy: str | None) -> None:
    invoke("generate", "hi", "--target", node.target, *(("--strategy", strategy) if strategy else ()))
    assert node.requests[-1].strategy.WhichOneof("kind") == strategy


def test_generate_says_who_is_to_answer(node: ScriptedNode) -> None:
    invoke("generate", "hi", "--target", node.target)
    assert not node.requests[-1].HasField("routing")
    invoke("generate", "hi", "--target", node.target, "--routing", "auto", "--threshold", "0.25")
    assert node.requests[-1].routing == pb.Routing(mode=pb.ROUTING_MODE_AUTO, threshold=0.25)
    invoke("generate", "hi", "--target", node.target, "--routing", "local")
    assert node.requests[-1].routing == pb.Routing(mode=pb.ROUTING_MODE_LOCAL)


def test_generate_shows_who_answered(node: ScriptedNode) -> None:
    end = finished()
    end.finished.routed.CopyFrom(
        pb.Routed(answered_by=pb.ANSWERER_UPSTREAM, reason=pb.ROUTING_REASON_HARD, difficulty=0.75)
    )
    node.script = [[started(), chunk("Hello"), end]]
    result = invoke("generate", "hi", "--target", node.target, "--stats")
    assert "answered by upstream (hard)" in result.stderr


def test_generate_shows_what_a_newer_or_a_broken_node_sends(node: ScriptedNode) -> None:
    end = finished()
    end.finished.finish_reason = 77  # type: ignore[assignment]
    end.finished.timing.decode.nanos = -5 * 10**8
    end.finished.timing.decode.seconds = 10
    node.script = [[started(), chunk("Hello"), end]] * 2
    result = invoke("generate", "hi", "--target", node.target, "--stats")
    assert "ended by 77" in result.stderr
    result = invoke("generate", "hi", "--target", node.target, "--json")
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert "the node sent what JSON has no room for" in result.stderr


def test_generate_json_is_an_event_a_line(node: ScriptedNode) -> None:
    result = invoke("generate", "hi", "--json", "--target", node.target)
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [next(iter(event)) for event in events] == ["started", "chunk", "chunk", "finished"]
    assert (events[1]["chunk"]["text"], events[1]["chunk"]["numTokens"]) == ("Hello", 1)


def test_errors_are_one_line_and_exit_code_1(node: ScriptedNode) -> None:
    node.script = [[bad_field("max_tokens")]]
    result = invoke("generate", "hi", "--target", node.target)
    assert result.exit_code == 1
    assert result.stderr == "INVALID_ARGUMENT: max_tokens: wrong\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--raw", "--system", "x"), "--system needs the chat template"),
        (("--seed", "-1"), "seed"),
        (("--max-tokens", "0"), "max-tokens"),
        (("--deadline", "soon"), "no duration"),
    ],
)
def test_wrong_usage_is_exit_code_2(args: tuple[str, ...], message: str) -> None:
    result = invoke("generate", "hi", *args)
    assert result.exit_code == 2
    assert message in result.stderr


def test_ctrl_c_cancels_and_is_exit_code_130(node: ScriptedNode) -> None:
    node.script = [[started(), chunk("a"), Hang()]]
    # Tests in the background of a shell inherit that SIGINT is ignored.
    heard = ["env", "--default-signal=INT"]
    command = [*heard, sys.executable, "-m", "xapp.cli", "generate", "hi", "--target", node.target]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"a"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert node.ended.wait(10)


def test_tokenize(node: ScriptedNode) -> None:
    assert invoke("tokenize", "abc", "--target", node.target).stdout == "3 tokens of a context of 4096\n"
    as_json = invoke("tokenize", "abc", "--json", "--raw", "--target", node.target).stdout
    assert json.loads(as_json)["tokens"] == [0, 1, 2]


def test_estimate(node: ScriptedNode) -> None:
    result = invoke("estimate", "abc", "--target", node.target)
    assert result.exit_code == 0
    assert "answer about 20" in result.stdout
    assert "completion   p50    1.500 s" in result.stdout
    assert result.stdout.endswith("would be admitted\n")


def test_estimate_of_what_would_be_refused(node: ScriptedNode) -> None:
    result = invoke("estimate", "abc", "--deadline", "500ms", "--target", node.target)
    assert result.exit_code == 3
    assert "would be refused: DEADLINE_UNREACHABLE, try again in 2.5 s" in result.stdout
    result = invoke("estimate", "abc", "--deadline", "500ms", "--json", "--raw", "--target", node.target)
    assert json.loads(result.stdout)["reason"] == "DEADLINE_UNREACHABLE"


def test_metrics_is_a_line_a_sample_where_no_one_watches(node: ScriptedNode) -> None:
    lines = invoke("metrics", "--count", "2", "--target", node.target).stdout.splitlines()
    assert len(lines) == 2
    assert "pi-1 m: 2 running, 0 waiting" in lines[0]
    assert "ITL p50 12.0 ms" in lines[0]
    assert "TTFT p50 –" in lines[0]
    assert "text 31 MiB, 4% CPU, 1 restarts" in lines[0]


def test_metrics_json_has_zeros_too(node: ScriptedNode) -> None:
    line = invoke("metrics", "--count", "1", "--json", "--interval", "100ms", "--target", node.target).stdout
    model = json.loads(line)["models"][0]
    assert (model["numRunning"], model["numWaiting"]) == (2, 0)


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("30s", 30), ("2m", 120), ("1.5", 1.5), ("1h", 3600)]
)
def test_durations(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_what_needs_no_node_imports_no_grpc(option: str) -> None:
    code = f"import sys; from xapp.cli import main; main(['{option}'], standalone_mode=False); "
    code += "print('grpc' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize("command", ["generate", "tokenize", "score", "embed", "models"])
def test_bytes_that_are_no_utf_8_are_no_argument(command: str) -> None:
    result = invoke(command, os.fsdecode(b"\xff"))
    assert (result.exit_code, result.exception is None or isinstance(result.exception, SystemExit)) == (
        2,
        True,
    )
    assert "is not UTF-8" in result.output


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        ("generate", "--max-tokens", "99999999999"),
        ("generate", "--top-k", "99999999999"),
        ("generate", "--deadline", "1000000000000000s"),
        ("estimate", "--max-tokens", "99999999999"),
        ("embed", "--dimensions", "99999999999"),
        ("rerank", "--top", "99999999999"),
        ("metrics", "--count", "99999999999"),
        ("metrics", "--interval", "9" * 400),
    ],
)
def test_a_number_beyond_every_message_names_its_option(command: str, option: str, value: str) -> None:
    result = invoke(command, "x", option, value)
    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.output
