"""The dashboard asks for metrics that there are, and its panels do not lie on one another."""

import itertools
import json
import re
from typing import Any

import pytest

from tests.helm.chart import CHART, Chart
from tests.server.fake_service import FakeHost, FakeService
from xapp.ric.node_values import read_values
from xapp.telemetry.metrics import NAMESPACE, Metrics

FILE = CHART / "files" / "dashboard.json"
Panel = dict[str, Any]


def panels() -> list[Panel]:
    return list(json.loads(FILE.read_text())["panels"])


def expressions() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


async def exposed() -> set[str]:
    """Names of series as a node exposes them; of a histogram also that of its buckets."""
    metrics = Metrics()
    metrics.requests.labels("m", "OK").inc()
    metrics.outcomes.labels("m", "stop").inc()
    metrics.rpc_errors.labels("/method", "INTERNAL").inc()
    page = metrics.exposition(await read_values(FakeService(), FakeHost())).decode()
    return set(re.findall(rf"^({NAMESPACE}_\w+)", page, re.MULTILINE))


async def test_every_metric_is_exposed() -> None:
    named = {name for text in expressions() for name in re.findall(rf"{NAMESPACE}_\w+", text)}
    assert len(named) > 10
    assert named <= await exposed()


def test_every_expression_is_of_the_chosen_services() -> None:
    for text in expressions():
        series = re.findall(rf"{NAMESPACE}_\w+(\{{[^}}]*\}})?", text)
        assert set(series) == {'{service=~"$service"}'}, text
        assert text.count("(") == text.count(")")


def test_panels_have_their_own_place_and_number() -> None:
    found = panels()
    assert len({panel["id"] for panel in found}) == len(found)
    cells = [
        set(itertools.product(range(p["x"], p["x"] + p["w"]), range(p["y"], p["y"] + p["h"])))
        for p in (panel["gridPos"] for panel in found)
    ]
    assert all(x < 24 for each in cells for x, _ in each)
    assert sum(map(len, cells)) == len(set().union(*cells))


# It may have to build Helm.
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_chart_carries_it(chart: Chart) -> None:
    config = chart.one("ConfigMap", {"grafanaDashboard": {"enabled": True}}, name="-dashboard")
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(config["data"]["genai-xapp.json"]) == json.loads(FILE.read_text())
