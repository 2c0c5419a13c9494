"""Each alert asks for metrics that there are, of the release's own pods, and says what is wrong."""

import re
from typing import Any

import pytest

from tests.helm.chart import Chart
from tests.helm.test_dashboard import exposed
from xapp.telemetry.metrics import METERED_GAUGES, NAMESPACE

# The first test may have to build Helm.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
_SERIES = re.compile(rf"{NAMESPACE}_\w+(\{{[^}}]*\}})?")


@pytest.fixture
def alerts(chart: Chart) -> list[dict[str, Any]]:
    (group,) = chart.one("PrometheusRule", {"prometheusRule": {"enabled": True}})["spec"]["groups"]
    return list(group["rules"])


async def test_every_metric_is_exposed(alerts: list[dict[str, Any]]) -> None:
    there = await exposed() | {f"{NAMESPACE}_{name}" for name in METERED_GAUGES}
    for alert in alerts:
        named = {found[0].partition("{")[0] for found in _SERIES.finditer(alert["expr"])}
        assert named, alert
        assert named <= there, alert


def test_every_expression_is_of_the_release(alerts: list[dict[str, Any]]) -> None:
    for alert in alerts:
        for labels in _SERIES.findall(alert["expr"]):
            assert 'service="service-ricxapp-genai-xapp-http"' in labels, alert


def test_what_an_operator_has_to_hear_of(alerts: list[dict[str, Any]]) -> None:
    """A pod that is gone exposes nothing, so no expression over its values can tell."""
    by_name = {alert["alert"].removeprefix("GenaiXapp"): alert for alert in alerts}
    assert by_name["Gone"]["expr"].startswith("absent(")
    assert set(by_name) >= {"NotReady", "WorkerRestarts", "Saturated", "CertificateEnds", "Throttled"}
    for alert in alerts:
        assert alert["labels"]["severity"] in {"critical", "warning"}
        assert alert["annotations"]["summary"].endswith(".")
