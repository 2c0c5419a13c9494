"""What the chart makes of its values, and which it refuses."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.chart_schema import SCHEMA
from tests.helm.chart import Chart, Manifest, Refused
from tests.helm.variants import MATRIX
from xapp.config import KEYS, TABLES, load_settings
from xapp.version import installed_version

# The first test may have to build Helm.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

every_variant = pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX)


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def settings_of(chart: Chart, values: dict[str, Any] | None = None) -> dict[str, Any]:
    return tomllib.loads(chart.one("ConfigMap", values, name="-settings")["data"]["settings.toml"])


def test_helm_finds_nothing_to_complain_about(chart: Chart) -> None:
    assert "0 chart(s) failed" in chart.lint()


# ---- what every variant keeps


@every_variant
def test_every_container_is_of_the_strictest_level(chart: Chart, values: dict[str, Any]) -> None:
    pods = [m for m in chart.render(values) if m["kind"] == "Pod"]
    for pod in [chart.pod(values), *(pod["spec"] for pod in pods)]:
        assert pod["automountServiceAccountToken"] is False
        for container in containers(pod):
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["runAsNonRoot"] is True
            assert context["runAsUser"] == 10001
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}
            assert container["resources"]["limits"]["memory"]


@every_variant
def test_every_mount_has_its_volume(chart: Chart, values: dict[str, Any]) -> None:
    pod = chart.pod(values)
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {mount["name"] for c in containers(pod) for mount in c["volumeMounts"]} == volumes


@every_variant
def test_services_and_policies_select_the_pods(chart: Chart, values: dict[str, Any]) -> None:
    manifests = chart.render(values)
    (workload,) = [m for m in manifests if m["kind"] in {"DaemonSet", "Deployment"}]
    labels = workload["spec"]["template"]["metadata"]["labels"].items()
    assert workload["spec"]["selector"]["matchLabels"].items() <= labels
    for manifest in manifests:
        if manifest["kind"] == "Service":
            assert manifest["spec"]["selector"].items() <= labels
        if manifest["kind"] == "NetworkPolicy":
            assert manifest["spec"]["podSelector"]["matchLabels"].items() <= labels


@every_variant
def test_the_server_takes_the_settings(chart: Chart, values: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(chart.one("ConfigMap", values, name="-settings")["data"]["settings.toml"])
    settings = load_settings({"XAPP_CONFIG_FILE": str(file)})
    ports = {p["name"]: p["containerPort"] for p in chart.pod(values)["containers"][0]["ports"]}
    assert ports == {"grpc": settings.server.grpc_port, "http": settings.server.http_port}


# ---- names that a near-RT RIC knows


def test_names_are_those_of_an_xapp(chart: Chart) -> None:
    names = {(m["kind"], m["metadata"]["name"]) for m in chart.render()}
    assert names >= {
        ("DaemonSet", "ricxapp-genai-xapp"),
        ("Service", "service-ricxapp-genai-xapp-grpc"),
        ("Service", "service-ricxapp-genai-xapp-http"),
        ("ConfigMap", "configmap-ricxapp-genai-xapp-appconfig"),
    }
    pod = chart.one("DaemonSet")["spec"]["template"]["metadata"]
    assert pod["labels"]["kubernetes_name"] == "ricxapp_genai-xapp"


def test_two_releases_share_no_name(chart: Chart) -> None:
    one, other = (
        {(m["kind"], m["metadata"]["name"]) for m in chart.render(name=n)} for n in ("one", "other")
    )
    assert not one & other


def test_the_descriptor_is_of_this_image_and_these_ports(chart: Chart) -> None:
    image = {"registry": "registry.example:5000", "name": "ran/genai-xapp", "tag": "7"}
    data = chart.one("ConfigMap", {"image": image}, name="-appconfig")["data"]
    descriptor = json.loads(data["config-file.json"])
    assert descriptor["version"] == installed_version()
    assert descriptor["containers"][0]["image"] == image
    assert {p["name"]: p["port"] for p in descriptor["messaging"]["ports"]} == {"http": 8080, "grpc": 50051}
    assert json.loads(data["schema.json"])["type"] == "object"
    assert "rmr" not in descriptor


# ---- settings


def test_settings_reach_the_server(chart: Chart) -> None:
    values = {
        "slots": 4,
        "prefill_share": 0.25,
        "prefix_cache": False,
        "quotas": '{"default": {"concurrent": 8}}',
    }
    assert values.items() <= settings_of(chart, {"settings": values}).items()


def test_tables_reach_the_server(chart: Chart) -> None:
    """Beside names without a table, which TOML wants first."""
    values = {
        "slots": 4,
        "engine": {"threads": 2, "prefix_cache": False},
        "log": {"level": "debug"},
        "models": {"qwen2.5-0.5b": {"slots": 2, "kind": "generate"}, "other": {"gpu_layers": -1}},
    }
    assert values.items() <= settings_of(chart, {"settings": values}).items()


def test_the_drain_is_shorter_than_the_grace_of_the_pod(chart: Chart) -> None:
    values = {"drain": {"seconds": 60, "beforeStopSeconds": 5}}
    assert settings_of(chart, values)["grace_period_s"] == 60
    assert chart.pod(values)["terminationGracePeriodSeconds"] > 65


def test_other_settings_make_new_pods_and_other_tasks_do_not(chart: Chart) -> None:
    def annotations(values: dict[str, Any]) -> Any:
        return chart.one("DaemonSet", values)["spec"]["template"]["metadata"]["annotations"]

    tasks = {"tasks": {"a.yaml": "name: a\n"}}
    assert annotations({"settings": {"slots": 4}}) != annotations({})
    assert annotations(tasks) == annotations({"tasks": {"a.yaml": "name: b\n"}})
    assert settings_of(chart, tasks)["tasks_dir"] == "/opt/xapp/tasks"


# ---- TLS and credentials


def test_a_certificate_closes_grpc_and_http_where_it_is_said(chart: Chart) -> None:
    closed = settings_of(chart, MATRIX["closed"])
    assert closed["tls_client_ca"] == "/opt/xapp/tls/ca.crt"
    assert closed["http_tls"] is True
    assert settings_of(chart, {"tls": {"secret": "cert"}})["http_tls"] is False
    assert not [key for key in settings_of(chart) if "tls" in key]


@pytest.mark.parametrize(
    ("values", "scheme"),
    [({}, "HTTP"), ({"tls": {"secret": "c"}}, "HTTP"), ({"tls": {"secret": "c", "http": True}}, "HTTPS")],
    ids=str,
)
def test_probes_ask_as_the_port_wants_it(chart: Chart, values: dict[str, Any], scheme: str) -> None:
    (container,) = chart.pod(values)["containers"]
    asked = [container[f"{name}Probe"] for name in ("startup", "readiness", "liveness")]
    assert {probe["httpGet"]["scheme"] for probe in asked if "httpGet" in probe} == {scheme}
    assert ("grpc" in asked[0]) == (not values)


def test_secrets_are_mounted_as_folders_so_that_a_renewed_one_is_seen(chart: Chart) -> None:
    mounts = {m["name"]: m for m in chart.pod(MATRIX["closed"])["containers"][0]["volumeMounts"]}
    for name in ("tls", "tokens", "policy"):
        assert mounts[name]["readOnly"] is True
        assert "subPath" not in mounts[name]


def test_a_test_without_credentials_is_not_installed_where_they_are_needed(chart: Chart) -> None:
    assert [m for m in chart.render() if m["kind"] == "Pod"]
    assert not [m for m in chart.render(MATRIX["closed"]) if m["kind"] == "Pod"]


# ---- the network


def test_nobody_gets_out_and_only_the_namespace_and_the_platform_get_in(chart: Chart) -> None:
    policy = chart.one("NetworkPolicy")["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert policy["egress"] == []
    peers = {rule["ports"][0]["port"]: rule["from"] for rule in policy["ingress"]}
    platform = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ricplt"}}}
    assert peers == {"grpc": [{"podSelector": {}}], "http": [{"podSelector": {}}, platform]}


def test_callers_can_be_named(chart: Chart) -> None:
    caller = {"podSelector": {"matchLabels": {"role": "planner"}}}
    policy = chart.one("NetworkPolicy", {"networkPolicy": {"callers": [caller]}})["spec"]
    assert policy["ingress"][0]["from"] == [caller]


def test_a_pull_opens_the_way_to_the_hub_only(chart: Chart) -> None:
    policy = chart.one("NetworkPolicy", MATRIX["pulls to a claim"])["spec"]
    assert [{port["port"] for port in rule["ports"]} for rule in policy["egress"]] == [{53, 443}]


# ---- models


def test_models_are_fetched_before_the_server_starts(chart: Chart) -> None:
    (pull,) = chart.pod(MATRIX["pulls to each pod"])["initContainers"]
    assert pull["args"] == ["models", "pull", "--models-dir", "/models", "qwen2.5-0.5b"]
    assert pull["env"] == [{"name": "HF_ENDPOINT", "value": "http://hub"}]


def test_the_server_cannot_write_models_that_it_does_not_pull(chart: Chart) -> None:
    pod = chart.pod(MATRIX["a claim that exists"])
    (mount,) = [m for m in pod["containers"][0]["volumeMounts"] if m["name"] == "models"]
    assert mount["readOnly"] is True
    assert not [
        m for m in chart.render(MATRIX["a claim that exists"]) if m["kind"] == "PersistentVolumeClaim"
    ]


# ---- what is refused


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"modles": {}}, "modles"),
        ({"settings": {"slot": 4}}, "slot"),
        ({"settings": {"slots": 400}}, "/settings/slots"),
        ({"settings": {"grpc_port": 1}}, "grpc_port"),
        ({"settings": {"engine": {"slots": 400}}}, "/settings/engine/slots"),
        ({"settings": {"server": {"grpc_port": 1}}}, "grpc_port"),
        ({"settings": {"models": {"a": {"slotz": 1}}}}, "slotz"),
        ({"settings": {"models": {"a": {"kind": "speech"}}}}, "/settings/models/a/kind"),
        ({"kind": "StatefulSet"}, "/kind"),
        ({"image": {"registry": "example.org/owner"}}, "/image/registry"),
        ({"drain": {"seconds": "20s"}}, "/drain/seconds"),
        ({"networkPolicy": {"callers": [{"podSelecter": {}}]}}, "podSelecter"),
        ({"tasks": {"Not A File": ""}}, "Not A File"),
        ({"models": {"pull": ["--models-dir=/"]}}, "/models/pull/0"),
        ({"models": {"pull": ["qwen2.5-0.5b"]}}, "models.pull"),
        ({"models": {"source": "empty"}}, "models.pull"),
        ({"xappName": "a" * 60}, "xappName"),
    ],
    ids=str,
)
def test_a_bad_value_is_refused_by_its_name(chart: Chart, values: dict[str, Any], named: str) -> None:
    with pytest.raises(Refused, match=named):
        chart.render(values)


def test_the_schema_knows_every_value_and_no_other(chart: Chart) -> None:
    """What is in values.yaml is in the schema: a chart as it comes would not render otherwise."""
    values = yaml.safe_load((SCHEMA.parent / "values.yaml").read_text())
    properties = json.loads(SCHEMA.read_text())["properties"]
    assert set(properties) - {"global"} == set(values)
    spelled = {key.flat for key in KEYS} | set(TABLES)
    assert set(properties["settings"]["properties"]) < spelled
