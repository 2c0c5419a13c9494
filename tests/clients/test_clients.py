"""The examples under clients/ against a real server, with the default model and with the fake backend."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import LiveServer, serving
from tests.scripted_node import ANSWER, Hang, chunk, full, scripted_node, started, unavailable

CLIENTS = Path(__file__).parents[2] / "clients"
pytestmark = pytest.mark.slow
needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="needs Go")


BUILD_S = 400
"""Go compiles gRPC too where it has not yet: minutes on two busy cores."""


def run(
    *command: str, cwd: Path = CLIENTS, check: bool = True, within_s: float = 100, **environ: str
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def fake_server() -> Iterator[LiveServer]:
    """The fake's steps take microseconds: what is predicted from them means nothing."""
    with serving({"XAPP_BACKEND": "fake", "XAPP_DEADLINE_ADMISSION": "false"}) as server:
        yield server


@pytest.fixture(params=["fake_server", "live_model_server"])
def node(request: pytest.FixtureRequest) -> LiveServer:
    """What works with the fake backend may fail with a model, and the other way round."""
    server = request.getfixturevalue(request.param)
    assert isinstance(server, LiveServer)
    return server


def test_python(node: LiveServer) -> None:
    done = run(sys.executable, "python/stream.py", "--target", node.target, "What is a RIC?")
    for part in ("tokens, prompt", "[cancelled after 3 pieces]", "[deadline:", "[best effort: ", "[retry: "):
        assert part in done.stdout


def test_python_says_what_is_wrong() -> None:
    with scripted_node() as node:
        node.script = [[started(), chunk("a"), unavailable(0.01)]]
        done = run(sys.executable, "python/stream.py", "--target", node.target, check=False)
    assert done.returncode == 1
    assert done.stderr == "UNAVAILABLE: the model is loading\n"


def test_the_loop_of_a_ric(default_model_path: Path) -> None:
    command = (sys.executable, "python/ric_loop.py", "--loops", "3")
    done = run(*command, XAPP_MODEL=str(default_model_path), XAPP_PIN_TASKS="false")
    assert "policy: PUT to A1, enforced after" in done.stdout
    assert "3 of 3 loops, message to proposal: p50" in done.stdout
    assert '{"dry_run": true, "action": ' in done.stdout
    assert "the next request: PRIORITY_NOT_ALLOWED" in done.stdout


def test_grpcurl(node: LiveServer) -> None:
    own = Path(sys.executable).parent / "grpcurl"
    grpcurl = str(own) if own.exists() else shutil.which("grpcurl")
    if grpcurl is None:
        pytest.skip("needs grpcurl")
    done = run("grpcurl/ask.sh", node.target, 'Say "hi" \\ now', GRPCURL=grpcurl)
    for part in ("xapp.inference.v1.InferenceService", "SERVING", '"finished"', '"timestamp"'):
        assert part in done.stdout


@pytest.fixture(scope="module")
def go_client(tmp_path_factory: pytest.TempPathFactory) -> str:
    if run("go", "mod", "download", cwd=CLIENTS / "go", check=False).returncode != 0:
        pytest.skip("the Go modules are not here and cannot be fetched")
    binary = tmp_path_factory.mktemp("go") / "client"
    run("go", "build", "-o", str(binary), ".", cwd=CLIENTS / "go", within_s=BUILD_S)
    return str(binary)


@needs_go
@pytest.mark.timeout(300)
def test_go_streams(node: LiveServer, go_client: str) -> None:
    done = run(go_client, "-target", node.target, "-max-tokens", "16")
    assert done.stdout.strip()
    assert "FINISH_REASON_" in done.stderr


@needs_go
@pytest.mark.timeout(300)
def test_go_cancels_misses_a_deadline_and_tries_again(go_client: str) -> None:
    with scripted_node() as node:
        node.script = [[unavailable(0.01)], ANSWER, [started(), chunk("a"), Hang()]]
        tried = run(go_client, "-target", node.target)
        assert tried.stdout == "Hello wörld\n"
        assert "the model is loading: trying again in 10ms" in tried.stderr
        late = run(go_client, "-target", node.target, "-deadline", "500ms", check=False)
        assert late.stdout == "a\n"
        assert late.stderr.startswith("DeadlineExceeded: ")
        assert late.returncode == 1
    with scripted_node() as node:
        node.script = [[started(), chunk("a"), Hang()]]
        cancelled = run(go_client, "-target", node.target, "-cancel-after", "1")
        assert "cancelled after 1 pieces" in cancelled.stderr
        assert node.ended.wait(10)


@needs_go
@pytest.mark.timeout(300)
def test_go_passes_over_a_dead_node_and_asks_again_at_once(go_client: str) -> None:
    with scripted_node() as node:
        node.script = [[full()], ANSWER]
        done = run(go_client, "-target", f"ipv4:127.0.0.1:1,{node.target}")
    assert done.stdout == "Hello wörld\n"
    assert "it would be late: asking another node" in done.stderr


@needs_go
@pytest.mark.timeout(300)
def test_go_asks_one_of_several_real_nodes(go_client: str, fake_server: LiveServer) -> None:
    done = run(go_client, "-target", f"ipv4:{fake_server.target},127.0.0.1:1", "-max-tokens", "4")
    assert "FINISH_REASON_" in done.stderr
