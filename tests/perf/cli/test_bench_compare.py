"""`bench compare` as a user calls it: wrong options, and short runs against a stand-in peer."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from perf.callers import play_commands
from perf.cli.bench_compare import compare
from perf.compare import compare_loads
from perf.network.shell_commands import NotPermittedError
from perf.record.result_files import read_result
from perf.record.result_schema import Status
from perf.server_processes import LOGS
from tests.live import LiveServer
from tests.perf.callers.stand_in import stand_in


@pytest.fixture(autouse=True)
def _logs(own_lock: None) -> None:
    """The peers' logs lie where they always do; `own_lock` keeps the benchmark from making the folder."""
    LOGS.mkdir(parents=True, exist_ok=True)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(compare, arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--openai", "node:8080"], "http://HOST:PORT"),
        (["--openai", "http://a:1", "--streams", "1;4"], "not a list of numbers"),
        (["--openai", "http://a:1", "--streams", "4,4"], "each once"),
        (["--openai", "http://a:1", "--streams", "0"], "numbers from 1 to 64"),
        (["--openai", "http://a:1", "--rtt", "fast"], "a time such as 50ms"),
        (["--openai", "http://a:1", "--rate", "10"], "a rate such as 10mbit"),
        (["--openai", "http://a:1", "--loss", "90%"], "more than half"),
        (["--peer", "ollama"], "llama-server"),
        (["--openai", "http://a:1", "--openai", "http://a:1"], "named twice"),
        (["--openai", "http://a:1", "--streams", ""], "nothing to do"),
        (["--openai", "http://a:1", "--solo", "200;x"], "a list of numbers such as 200,1500"),
        (["--openai", "http://a:1", "--solo", "8"], "numbers from 32"),
        (["--openai", "http://a:1", "--burst", "4,4"], "each once"),
        (["--openai", "http://a:1", "--staggered-count", "1"], "1 is not in the range"),
        ([], "nobody to compare with"),
    ],
)
def test_a_wrong_option_is_named(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = invoke(*arguments, "--out", str(tmp_path / "r.json"))
    assert result.exit_code == 2
    assert message in result.output


def test_a_shaped_network_does_not_reach_loopback(tmp_path: Path) -> None:
    out = str(tmp_path / "r.json")
    result = invoke("--openai", "http://127.0.0.1:1", "--rtt", "5ms", "--out", out)
    assert result.exit_code == 2
    assert "is on loopback" in result.output


def test_where_networks_may_not_be_shaped_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(engine_config: object) -> None:
        raise NotPermittedError("needs root")

    monkeypatch.setattr("perf.cli.bench_compare.network", denied)
    result = invoke("--peer", "llama-server", "--rtt", "5ms", "--out", str(tmp_path / "r.json"))
    assert result.exit_code == 2
    assert "no shaped network: needs root" in result.output


def measure(server: LiveServer, url: str, out: Path, *more: str) -> Result:
    server.wait_for("serving")
    return invoke("--target", server.target, "--openai", url, "--out", str(out), *more)


@pytest.mark.slow
def test_a_short_run_of_every_load(
    live_model_server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare_loads, "LONG_PROMPT_TOKENS", 200)
    monkeypatch.setattr(compare_loads, "SYSTEM_PROMPT_TOKENS", 100)
    monkeypatch.setattr(compare_loads, "STEADY_TOKENS", 24)
    monkeypatch.setattr(play_commands, "SETTLE_S", 0.1)
    out = tmp_path / "r.json"
    with stand_in() as peer:
        more = ["--streams", "1,2", "--mixed", "--shared-prefix", "--echo", "--rounds", "1"]
        more += ["--solo", "40", "--burst", "2"]
        more += ["--staggered", "--staggered-count", "2", "--staggered-interval", "100ms"]
        result = measure(live_model_server, peer.url, out, *more)
    assert result.exit_code == 0, result.output
    found = read_result(out)
    kinds = {sample["kind"] for sample in found.samples}
    named = ("decode", "solo", "arrivals", "mixed", "shared-prefix")
    assert kinds == {f"compare-{name}" for name in named}
    names = {figure.name for figure in found.summary}
    assert {"decode_ratio", "ttft_ratio", "worst_gap_ratio", "decode_tokens_per_second"} <= names
    assert {"gap_bound_ratio", "ttft_to_alone"} <= names
    assert [target.name for target in found.targets] == ["ours", peer.url.removeprefix("http://"), "echo"]
    assert found.targets[0].engine_config is not None
    asked = [request["prompt"] for request in peer.requests if request["max_tokens"] > 1]
    assert len(set(asked)) == len(asked)  # no text twice but to compute it before: no cache helps by luck
    groups = {figure.group for figure in found.summary}
    assert {"ours/solo-40", "ours/burst-2", "ours/staggered", "echo/decode-2"} <= groups


@pytest.mark.slow
def test_a_peer_that_dies_leaves_a_partial_result(
    live_model_server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare_loads, "STEADY_TOKENS", 24)
    out = tmp_path / "r.json"
    warm_up_and_one_round = 6
    with stand_in(dies_at=warm_up_and_one_round + 1) as peer:
        result = measure(live_model_server, peer.url, out, "--streams", "1", "--rounds", "2")
    assert result.exit_code == 1
    found = read_result(out)
    assert found.status is Status.PARTIAL
    assert any("[DONE]" in line for line in found.missing)
    assert {(sample["round"], sample["target"]) for sample in found.samples} >= {(0, "ours")}


@pytest.mark.slow
def test_a_peer_that_speaks_something_else(live_model_server: LiveServer, tmp_path: Path) -> None:
    url = f"http://{live_model_server.target}"
    result = measure(live_model_server, url, tmp_path / "r.json", "--streams", "1", "--rounds", "1")
    assert result.exit_code == 1
    assert url in result.output
