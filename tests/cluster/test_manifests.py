"""The API server accepts what the chart renders."""

import json
from typing import Any

import pytest
import yaml

from tests.cluster.release import CHART, CommandError, run
from tests.helm.variants import MATRIX

# Kinds that an operator brings: this cluster has none of them.
_OF_AN_OPERATOR = {"ServiceMonitor", "PrometheusRule", "Certificate"}


def rendered(values: dict[str, Any]) -> list[dict[str, Any]]:
    text = run(
        "helm", "template", "tried", str(CHART), "--namespace=ricxapp", "--values=-", text=json.dumps(values)
    )
    return [m for m in yaml.safe_load_all(text) if m and m["kind"] not in _OF_AN_OPERATOR]


def tried(manifests: list[dict[str, Any]]) -> str:
    options = ("--namespace=ricxapp", "--dry-run=server", "--validate=strict", "--filename=-")
    return run("kubectl", "apply", *options, text=yaml.safe_dump_all(manifests))


@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX)
def test_every_object_is_accepted(namespace: str, values: dict[str, Any]) -> None:
    manifests = rendered(values)
    assert len(tried(manifests).splitlines()) == len(manifests)


def test_a_key_that_there_is_not_is_refused(namespace: str) -> None:
    """Otherwise the test above would say nothing."""
    (account,) = [m for m in rendered({}) if m["kind"] == "ServiceAccount"]
    with pytest.raises(CommandError, match="unknown field"):
        tried([account | {"automountServiceAcountToken": False}])
