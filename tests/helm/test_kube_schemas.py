"""Every object of the chart conforms to Kubernetes' own schemas, of the oldest version and of the newest."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm.chart import CHART, Chart, Manifest
from tests.helm.variants import MATRIX
from tests.uv import uv

# It may have to build Helm, and to fetch the schemas.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SCRIPT = Path(__file__).parent / "check_schemas.py"
PACKAGE = "kubernetes-validate==1.37.0"
OLDEST, NEWEST = "1.29", "1.37"
# Kinds that an operator brings: Kubernetes has no schemas of them.
OF_AN_OPERATOR = {"ServiceMonitor", "PrometheusRule", "Certificate"}


def faults(manifests: dict[str, list[Manifest]], folder: Path, cache: Path) -> list[str]:
    file = folder / "manifests.json"
    file.write_text(json.dumps(manifests))
    command = ("run", "--quiet", "--no-project", "--with", PACKAGE, "python", str(SCRIPT))
    return uv(*command, str(file), OLDEST, NEWEST, XDG_CACHE_HOME=str(cache)).splitlines()


def test_every_object_of_every_variant(chart: Chart, tmp_path: Path, user_cache: Path) -> None:
    rendered = {name: chart.render(values) for name, values in MATRIX.items()}
    known = {name: [m for m in all_ if m["kind"] not in OF_AN_OPERATOR] for name, all_ in rendered.items()}
    known["none"] = [broken(next(m for m in rendered["as it comes"] if m["kind"] == "DaemonSet"))]
    found = faults(known, tmp_path, user_cache)
    assert [line for line in found if ": none: " not in line] == []
    # Otherwise the check would say nothing.
    assert {line.partition(":")[0] for line in found} == {OLDEST, NEWEST}


def broken(manifest: Manifest) -> dict[str, Any]:
    """A manifest with a key that there is not."""
    return manifest | {"spec": manifest["spec"] | {"replcas": 1}}


def test_the_chart_says_the_oldest_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["kubeVersion"].startswith(f">={OLDEST}.")
