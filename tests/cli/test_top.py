from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from tests.scripted_node import ScriptedNode, scripted_node
from xapp.cli import main
from xapp.cli import top as module
from xapp.cli.node import Node
from xapp.cli.top import Watched, sparkline, spread, table
from xapp.inference.v1 import inference_pb2 as pb

AWAY = "127.0.0.1:1"


@pytest.fixture
def node() -> Iterator[ScriptedNode]:
    with scripted_node() as node:
        yield node


def top(*args: str) -> Result:
    return CliRunner().invoke(main, ["top", "--interval", "100ms", *args])


def test_several_nodes_each_with_its_lines(node: ScriptedNode) -> None:
    with scripted_node() as other:
        result = top("--target", node.target, "--target", other.target, "--count", "2")
    assert result.exit_code == 0
    for target in (node.target, other.target):
        lines = [line for line in result.stdout.splitlines() if line.startswith(target)]
        assert len(lines) == 2
        assert "m: 2 running, 0 waiting" in lines[0]


def test_a_node_that_is_away_does_not_hide_the_others(node: ScriptedNode) -> None:
    result = top("--target", node.target, "--target", AWAY, "--count", "1")
    assert result.exit_code == 0
    assert "m: 2 running" in result.stdout
    assert f"{AWAY} UNAVAILABLE" in result.stdout


def test_the_variable_names_several(node: ScriptedNode) -> None:
    runner = CliRunner(env={"XAPP_TARGET": f"{node.target} {AWAY}"})
    result = runner.invoke(main, ["top", "--count", "1", "--interval", "100ms"])
    assert node.target in result.stdout
    assert AWAY in result.stdout


def test_a_name_with_several_addresses_is_a_node_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_addresses", lambda host: ["10.0.0.1", "fd00::1"])
    found = list(spread(Node("nodes.ricxapp:50051", token="t")))
    assert [each.target for each in found] == ["10.0.0.1:50051", "[fd00::1]:50051"]
    assert {(each.server_name, each.token) for each in found} == {("nodes.ricxapp", "t")}


@pytest.mark.parametrize("target", ["dns:///nodes:50051", "unix:/run/node", "127.0.0.1:50051", "nonsense"])
def test_any_other_target_stays_as_it_is(target: str) -> None:
    assert list(spread(Node(target))) == [Node(target)]


def test_the_table_has_a_row_for_each_node_and_model() -> None:
    one, other = Watched(Node("a:1")), Watched(Node("b:1"))
    sample = pb.MetricsResponse(
        models=[
            pb.ModelMetrics(model="x", decode_tokens_per_second=5, kv_cells_used=1, kv_cells_total=4),
            pb.ModelMetrics(model="[y]"),
        ]
    )
    one.take(sample)
    shown = table([one, other])
    cells = [list(column.cells) for column in shown.columns]
    assert cells[0] == ["a:1", "a:1", "b:1"]
    assert cells[1] == ["x", r"\[y]", "connecting"]
    assert cells[4][:2] == ["5.0", "0.0"]
    assert cells[8][:2] == ["25%", "–"]


def test_a_sparkline_goes_from_nothing_to_the_largest() -> None:
    assert sparkline([0, 1, 2, 4]) == "▁▃▅█"
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([]) == ""


def test_heat_and_power_of_a_board() -> None:
    host = pb.HostMetrics(temperature_celsius=84.6, throttled=True, power_watts=6.24)
    watched = Watched(Node("pi-1:50051"))
    watched.take(pb.MetricsResponse(models=[pb.ModelMetrics(model="m")], host=host))
    cells = [str(cell) for column in table([watched]).columns for cell in column.cells]
    assert cells[-2:] == ["85!", "6.2"]
