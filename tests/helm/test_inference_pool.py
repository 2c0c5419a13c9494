"""The example of a pool for the Gateway API Inference Extension names what there is."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm.chart import CHART, Chart
from xapp.inference.v1 import inference_pb2
from xapp.telemetry.metrics import GAUGES, NAMESPACE

EXAMPLE = CHART.parent / "examples" / "inference-pool.yaml"


def example() -> tuple[dict[str, Any], dict[str, Any]]:
    pool, route = yaml.safe_load_all(EXAMPLE.read_text())
    return pool, route


def test_metrics_are_those_of_the_node() -> None:
    named = re.findall(rf"metric={NAMESPACE}_(\w+)", Path(EXAMPLE).read_text())
    assert len(named) == 3
    assert set(named) <= set(GAUGES)


def test_the_route_leads_to_the_pool_by_our_service() -> None:
    pool, route = example()
    (rule,) = route["spec"]["rules"]
    assert rule["backendRefs"][0]["name"] == pool["metadata"]["name"]
    service = inference_pb2.DESCRIPTOR.services_by_name["InferenceService"]
    assert rule["matches"][0]["method"]["service"] == service.full_name


# It may have to build Helm.
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_pool_selects_the_pods_of_the_release(chart: Chart) -> None:
    pool, _ = example()
    pods = chart.one("Service", name="-grpc-pods")
    assert pool["spec"]["selector"]["matchLabels"] == pods["spec"]["selector"]
    assert [port["number"] for port in pool["spec"]["targetPorts"]] == [
        port["port"] for port in pods["spec"]["ports"]
    ]
