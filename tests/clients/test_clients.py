"""The examples under clients/ against a real server, with the default model and with the fake backend."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.go_module import files as go_files
from scripts.go_module import module_path, publish, version
from tests.live import LiveServer, serving
from tests.scripted_node import ANSWER, Hang, bad_field, chunk, full, scripted_node, started, unavailable

CLIENTS = Path(__file__).parents[2] / "clients"
pytestmark = pytest.mark.slow
needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="needs Go")


BUILD_S = 400
"""Go compiles gRPC too where it has not yet: minutes on two busy cores."""

QUICK_JAVA = {"MAVEN_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
"""Programs that run for a second: to compile for speed would take most of their CPU."""


def run(
    *command: str, cwd: Path = CLIENTS, check: bool = True, within_s: float = 100, **environ: str
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | QUICK_JAVA | environ,
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
    # How long a loop takes is measured elsewhere: here it may run on a slow machine beside other programs.
    command = (sys.executable, "python/ric_loop.py", "--loops", "3", "--deadline", "60")
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


@pytest.fixture(scope="module", autouse=True)
def _go_cache(user_cache: Path) -> Iterator[None]:
    """Go compiles gRPC in 40 s, once for this user, not once for each run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOCACHE", os.environ.get("GOCACHE") or str(user_cache / "go-build"))
        yield


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


def _module(folder: Path) -> None:
    (folder / "main.go").write_text(GO_USER)
    run("go", "mod", "init", "example/user", cwd=folder)


@needs_go
@pytest.mark.timeout(300)
def test_a_module_of_its_own_uses_a_copy_of_the_go_client(go_client: str, tmp_path: Path) -> None:
    """With `replace`, as clients/README.md says."""
    _module(tmp_path)
    required, replaced = f"{module_path()}@v0.0.0", f"{module_path()}={CLIENTS / 'go'}"
    run("go", "mod", "edit", f"-require={required}", f"-replace={replaced}", cwd=tmp_path)
    assert run("go", "run", ".", cwd=tmp_path, within_s=BUILD_S, GOFLAGS="-mod=mod").stdout == "hi\n"


@needs_go
@pytest.mark.timeout(300)
def test_a_module_of_its_own_gets_the_go_client_by_its_path_and_version(
    go_client: str, tmp_path: Path
) -> None:
    """From a folder as a module proxy. `go_client` has fetched the modules that the client needs."""
    # Go keeps every version that it has seen, unchanged, for all of this user's programs.
    content = hashlib.sha256(b"".join(data for _, data in go_files())).hexdigest()[:12]
    tag = f"{version()}-test.{content}"
    publish(tmp_path / "proxy", tag)
    known = run("go", "env", "GOMODCACHE", "GOPROXY").stdout.split()
    proxies = f"file://{tmp_path / 'proxy'},file://{known[0]}/cache/download,{known[1]}"
    own = module_path().partition("/")[0]
    user = tmp_path / "user"
    user.mkdir()
    _module(user)
    run("go", "get", f"{module_path()}/inference/v1@{tag}", cwd=user, GOPROXY=proxies, GONOSUMDB=own)
    assert f"{module_path()} {tag}" in (user / "go.mod").read_text()
    done = run("go", "run", ".", cwd=user, within_s=BUILD_S, GOPROXY=proxies, GONOSUMDB=own)
    assert done.stdout == "hi\n"


GO_USER = """package main

import (
\t"fmt"

\tpb "genai-xapp.internal/clients/go/inference/v1"
)

func main() {
\trequest := pb.GenerateRequest{Input: &pb.GenerateRequest_Prompt{Prompt: "hi"}}
\tfmt.Println(request.GetPrompt())
}
"""


# What Maven and npm fetch stays in their own caches.
@pytest.fixture(scope="module")
def node_client(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    if shutil.which("npm") is None:
        pytest.skip("needs Node.js and npm")
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(
        CLIENTS / "node", folder / "clients" / "node", ignore=shutil.ignore_patterns("node_modules")
    )
    shutil.copytree(CLIENTS.parent / "proto", folder / "proto")
    fetched = run(
        *("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"),
        cwd=folder / "clients" / "node",
        check=False,
    )
    if fetched.returncode:
        pytest.skip("the packages of Node.js cannot be fetched: " + fetched.stderr.strip()[-200:])
    return ["node", str(folder / "clients" / "node" / "stream.mjs")]


@pytest.fixture(scope="module")
def java_client(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    if shutil.which("mvn") is None:
        pytest.skip("needs Java and Maven")
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(CLIENTS / "java", folder / "clients" / "java", ignore=shutil.ignore_patterns("target"))
    shutil.copytree(CLIENTS.parent / "proto", folder / "proto")
    pom = str(folder / "clients" / "java" / "pom.xml")
    built = run("mvn", "-q", "-B", "-ntp", "-f", pom, "compile", check=False, within_s=BUILD_S)
    if "resolve" in built.stdout or "transfer" in built.stdout:
        pytest.skip("the artifacts of Maven cannot be fetched: " + built.stdout.strip()[:200])
    assert built.returncode == 0, built.stdout
    return ["mvn", "-q", "-B", "-ntp", "-f", pom, "exec:java", "-Dexec.mainClass=xapp.example.Stream"]


def node_asks(client: list[str], target: str) -> subprocess.CompletedProcess[str]:
    return run(*client, "--target", target, "What is a RIC?", check=False)


def java_asks(client: list[str], target: str) -> subprocess.CompletedProcess[str]:
    return run(*client, f"-Dexec.arguments={target},What is a RIC?", check=False)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("client", "asks"), [("node_client", node_asks), ("java_client", java_asks)])
def test_node_and_java(
    client: str,
    asks: Callable[[list[str], str], subprocess.CompletedProcess[str]],
    live_model_server: LiveServer,
    request: pytest.FixtureRequest,
) -> None:
    command = request.getfixturevalue(client)
    done = asks(command, live_model_server.target)
    assert done.returncode == 0, done.stderr
    assert "FINISH_REASON_" in done.stdout
    assert "[cancelled after 2 pieces]" in done.stdout
    with scripted_node() as node:
        node.script = [[unavailable(0.01)], ANSWER]
        tried = asks(command, node.target)
        assert "Hello wörld" in tried.stdout
        assert "the model is loading: trying again in" in tried.stderr
    with scripted_node() as node:
        node.script = [[bad_field("chat")]]
        refused = asks(command, node.target)
        assert "INVALID_ARGUMENT: chat: wrong" in refused.stderr
        assert refused.returncode == 1
    with scripted_node() as node:
        node.script = [ANSWER, [started(), chunk("a"), chunk("b"), Hang()]]
        cancelled = asks(command, node.target)
        assert "[cancelled after 2 pieces]" in cancelled.stdout
        assert node.ended.wait(10)
