"""The chart's helpers: pods that compute layers for the one server."""

import tomllib
from typing import Any

import pytest

from tests.helm.chart import Chart, Refused
from xapp.config.rpc_hosts import parse_hosts

# The first test may have to build Helm.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ON = {"kind": "Deployment", "rpc": {"helpers": 2}}


def test_the_server_knows_each_helper_by_the_name_that_dns_gives_it(chart: Chart) -> None:
    text = chart.one("ConfigMap", ON, name="-settings")["data"]["settings.toml"]
    hosts = parse_hosts(tomllib.loads(text)["rpc_hosts"])
    helpers = chart.one("StatefulSet", ON)
    service = chart.one("Service", ON, name="-rpc")
    assert helpers["spec"]["replicas"] == len(hosts) == 2
    name, domain = helpers["metadata"]["name"], f"{service['metadata']['name']}.ricxapp.svc"
    assert [host.name for host in hosts] == [f"{name}-{number}.{domain}" for number in range(2)]
    assert {host.port for host in hosts} == {service["spec"]["ports"][0]["port"]}
    assert helpers["spec"]["serviceName"] == service["metadata"]["name"]
    assert service["spec"]["clusterIP"] == "None"


def test_a_helper_listens_on_the_address_of_its_pod(chart: Chart) -> None:
    (container,) = chart.one("StatefulSet", ON)["spec"]["template"]["spec"]["containers"]
    env = {entry["name"]: entry for entry in container["env"]}
    assert container["args"] == ["rpc-serve"]
    assert env["XAPP_RPC_HOST"]["valueFrom"]["fieldRef"]["fieldPath"] == "status.podIP"
    assert env["XAPP_INSECURE"]["value"] == "true"
    assert "XAPP_RPC_CACHE_DIR" not in env


def test_the_cache_is_a_bounded_volume(chart: Chart) -> None:
    pod = chart.one("StatefulSet", ON | {"rpc": {"helpers": 1, "cacheMb": 500}})["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    (container,) = pod["containers"]
    assert volumes["cache"]["emptyDir"] == {"sizeLimit": "1524Mi"}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes.keys()


def test_only_the_server_reaches_a_helper_and_a_helper_reaches_nobody(chart: Chart) -> None:
    helpers = chart.one("StatefulSet", ON)["spec"]["selector"]["matchLabels"]
    server = chart.one("Deployment", ON)["spec"]["selector"]["matchLabels"]
    policy = chart.one("NetworkPolicy", ON, name="-helper")["spec"]
    assert policy["podSelector"]["matchLabels"] == helpers
    assert policy["ingress"] == [
        {"ports": [{"port": "rpc"}], "from": [{"podSelector": {"matchLabels": server}}]}
    ]
    assert policy["egress"] == []
    own = chart.one("NetworkPolicy", ON, name="-xapp")["spec"]
    (to_helpers,) = [rule for rule in own["egress"] if "to" in rule]
    assert to_helpers["to"] == [{"podSelector": {"matchLabels": helpers}}]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"rpc": {"helpers": 2}}, "set kind to Deployment and replicas to 1"),
        (ON | {"replicas": 2}, "set kind to Deployment and replicas to 1"),
        (ON | {"networkPolicy": {"enabled": False}}, "need networkPolicy.enabled"),
        (ON | {"settings": {"rpc_hosts": "a:1"}}, "names helpers already"),
        (ON | {"settings": {"engine": {"rpc_hosts": "a:1"}}}, "names helpers already"),
        (ON | {"rpc": {"helpers": 9}}, "helpers"),
    ],
)
def test_values_that_cannot_be(chart: Chart, values: dict[str, Any], text: str) -> None:
    with pytest.raises(Refused, match=text):
        chart.render(values)
