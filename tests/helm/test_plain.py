"""The objects for clusters without Helm are those of the chart."""

from pathlib import Path

import pytest
import yaml

from tests.helm.chart import CHART, Chart

# It may have to build Helm.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
PLAIN = CHART.parent / "examples" / "plain.yaml"


def test_they_are_those_of_this_tree(chart: Chart) -> None:
    rendered = [m for m in chart.render() if "helm.sh/hook" not in m["metadata"].get("annotations", {})]
    written = [m for m in yaml.safe_load_all(PLAIN.read_text()) if m]
    assert written == rendered, "write it again, as its head says"


def test_the_page_names_them() -> None:
    page = (Path(__file__).parents[2] / "docs" / "kubernetes.md").read_text()
    assert "kubectl apply --namespace ricxapp --filename helm/examples/plain.yaml" in page
