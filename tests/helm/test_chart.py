"""What the chart makes of its values, and which it refuses."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.chart_schema import SCHEMA
from tests.helm.chart import Chart, Manifest, Refused
from tests.helm.variants import MATRIX, SIDECAR
from xapp.config import KEYS, TABLES, load_settings
from xapp.ric.descriptor import built_in
from xapp.ric.onboarding import faults
from xapp.ric.policy_type import policy_type, read_policy
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
    assert {mount["name"] for c in containers(pod) for mount in c.get("volumeMounts", [])} == volumes


@every_variant
def test_services_and_policies_select_the_pods(chart: Chart, values: dict[str, Any]) -> None:
    manifests = chart.render(values)
    workloads = [m["spec"] for m in manifests if m["kind"] in {"DaemonSet", "Deployment", "StatefulSet"}]
    pods = [workload["template"]["metadata"]["labels"].items() for workload in workloads]
    for workload, labels in zip(workloads, pods, strict=True):
        assert workload["selector"]["matchLabels"].items() <= labels
    for manifest in manifests:
        if manifest["kind"] in {"Service", "NetworkPolicy"}:
            spec = manifest["spec"]
            selector = spec.get("selector") or spec["podSelector"]["matchLabels"]
            assert sum(selector.items() <= labels for labels in pods) == 1


@every_variant
def test_the_server_takes_the_settings(chart: Chart, values: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(chart.one("ConfigMap", values, name="-settings")["data"]["settings.toml"])
    settings = load_settings({"XAPP_CONFIG_FILE": str(file)})
    ports = {p["name"]: p["containerPort"] for p in chart.pod(values)["containers"][0]["ports"]}
    openai = {"openai": settings.openai.port} if settings.openai.port else {}
    assert ports == {"grpc": settings.server.grpc_port, "http": settings.server.http_port} | openai


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


@every_variant
def test_the_onboarder_takes_the_descriptor(chart: Chart, values: dict[str, Any]) -> None:
    data = chart.one("ConfigMap", values, name="-appconfig")["data"]
    assert faults(json.loads(data["config-file.json"]), json.loads(data["schema.json"])) == []


@every_variant
def test_the_descriptor_is_that_of_the_settings(chart: Chart, values: dict[str, Any], tmp_path: Path) -> None:
    """What `genai-xapp descriptor` makes of the settings that the chart writes."""
    file = tmp_path / "settings.toml"
    file.write_text(chart.one("ConfigMap", values, name="-settings")["data"]["settings.toml"])
    carried = json.loads(chart.one("ConfigMap", values, name="-appconfig")["data"]["config-file.json"])
    made = built_in(load_settings({"XAPP_CONFIG_FILE": str(file)}))
    carried.pop("controls", None), made.pop("controls", None)
    assert carried == made


def test_the_policy_type_is_carried_under_its_id(chart: Chart) -> None:
    data = chart.one("ConfigMap", MATRIX["in a RIC"], name="-appconfig")["data"]
    assert json.loads(data["llm_serving.json"]) == policy_type(5)


def test_policies_are_files_of_a_folder_that_is_watched(chart: Chart) -> None:
    values = MATRIX["policies of its own"]
    mounts = {m["name"]: m for m in chart.pod(values)["containers"][0]["volumeMounts"]}
    assert mounts["policies"]["mountPath"] == settings_of(chart, values)["ric_policies"]
    assert "subPath" not in mounts["policies"]
    for file, text in chart.one("ConfigMap", values, name="-policies")["data"].items():
        assert file.endswith(".json")
        read_policy(text)


def test_what_the_ric_is_asked_reaches_the_server(chart: Chart) -> None:
    settings = settings_of(chart, MATRIX["in a RIC"])
    assert settings["ric_appmgr_url"] == "http://service-ricplt-appmgr-http.ricplt:8080"
    assert settings["ric_http_endpoint"] == "service-ricxapp-genai-xapp-http.ricxapp:8080"
    assert settings["ric_policy_type"] == 5
    assert not [key for key in settings_of(chart) if key.endswith("_url")]


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


@pytest.mark.parametrize(
    ("values", "insecure"),
    [
        ({}, True),
        ({"tls": {"secret": "tls"}}, True),
        ({"tls": {"secret": "tls", "clientCa": "ca.crt"}}, None),
        ({"credentials": {"tokens": "tokens"}}, None),
    ],
)
def test_calls_without_credentials_are_permitted_where_the_values_name_none(
    chart: Chart, values: dict[str, Any], insecure: bool | None
) -> None:
    assert settings_of(chart, values).get("insecure") == insecure


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


def test_cert_manager_makes_the_certificate_for_every_name_of_the_services(chart: Chart) -> None:
    values = MATRIX["a certificate of cert-manager"]
    spec = chart.one("Certificate", values)["spec"]
    assert spec["secretName"] == "cert"
    assert spec["issuerRef"] == {"name": "ran-ca", "kind": "Issuer", "group": "cert-manager.io"}
    services = {m["metadata"]["name"] for m in chart.render(values) if m["kind"] == "Service"}
    near = {f"{name}.ricxapp{end}" for name in services for end in ("", ".svc", ".svc.cluster.local")}
    assert set(spec["dnsNames"]) == services | near | {"genai.example"}
    assert not [m for m in chart.render(MATRIX["closed"]) if m["kind"] == "Certificate"]


def test_prometheus_may_trust_the_certificate_and_show_a_token(chart: Chart) -> None:
    token = {"credentials": {"name": "prometheus", "key": "token"}}
    trusted = {"ca": {"secret": {"name": "cert", "key": "ca.crt"}}, "serverName": "genai.example"}
    monitor = {"enabled": True, "tlsConfig": trusted, "authorization": token}
    (endpoint,) = chart.one("ServiceMonitor", MATRIX["closed"] | {"serviceMonitor": monitor})["spec"][
        "endpoints"
    ]
    assert (endpoint["scheme"], endpoint["tlsConfig"], endpoint["authorization"]) == ("https", trusted, token)


# ---- the network


def test_nobody_gets_out_and_only_the_namespace_and_the_platform_get_in(chart: Chart) -> None:
    policy = chart.one("NetworkPolicy")["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert policy["egress"] == []
    peers = {rule["ports"][0]["port"]: rule["from"] for rule in policy["ingress"]}
    platform = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ricplt"}}}
    assert peers == {"grpc": [{"podSelector": {}}], "http": [{"podSelector": {}}, platform]}


def test_the_port_of_openais_dialect_is_off_unless_asked_for(chart: Chart) -> None:
    assert not any(m["metadata"]["name"].endswith("-openai") for m in chart.render())
    assert "openai_port" not in settings_of(chart)


def test_the_port_of_openais_dialect(chart: Chart) -> None:
    caller = {"podSelector": {"matchLabels": {"app": "chat"}}}
    values = {"openai": {"enabled": True, "hosts": ["genai.example"]}, "networkPolicy": {"callers": [caller]}}
    service = chart.one("Service", values, name="-openai")
    assert service["spec"]["ports"] == [{"name": "openai", "port": 8000, "targetPort": "openai"}]
    (container,) = chart.pod(values)["containers"]
    assert {"name": "openai", "containerPort": 8000} in container["ports"]
    settings = settings_of(chart, values)
    hosts = settings["openai_hosts"].split(",")
    assert settings["openai_port"] == 8000
    assert {service["metadata"]["name"], "genai.example"} <= set(hosts)
    assert f"{service['metadata']['name']}.ricxapp.svc.cluster.local" in hosts
    ingress = chart.one("NetworkPolicy", values)["spec"]["ingress"]
    assert {"ports": [{"port": "openai"}], "from": [caller]} in ingress


def test_callers_can_be_named(chart: Chart) -> None:
    caller = {"podSelector": {"matchLabels": {"role": "planner"}}}
    policy = chart.one("NetworkPolicy", {"networkPolicy": {"callers": [caller]}})["spec"]
    assert policy["ingress"][0]["from"] == [caller]


def test_a_pull_opens_the_way_to_the_hub_only(chart: Chart) -> None:
    policy = chart.one("NetworkPolicy", MATRIX["pulls to a claim"])["spec"]
    assert [{port["port"] for port in rule["ports"]} for rule in policy["egress"]] == [{53}, {443}]


OUTSIDE: list[tuple[dict[str, Any], int]] = [
    ({"models": {"source": "empty", "pull": ["a"], "hub": "http://mirror.example"}}, 80),
    ({"models": {"source": "empty", "pull": ["a"], "hub": "https://mirror.example:8443/hub"}}, 8443),
    ({"settings": {"jwks": "https://issuer.example/keys"}}, 443),
    ({"settings": {"access": {"jwks": "https://issuer.example:8443/keys"}}}, 8443),
    ({"settings": {"upstream_target": "https://models.example/v1"}}, 443),
    ({"settings": {"upstream": {"target": "pi-4:50051"}}}, 50051),
    ({"settings": {"big": {"target": "10.0.0.7:50052"}}}, 50052),
    ({"settings": {"retrieval_url": "postgresql://passages.example/db"}}, 5432),
    ({"ric": {"status": "http://smo.example:7070/status"}}, 7070),
]


@pytest.mark.parametrize(("values", "port"), OUTSIDE, ids=str)
def test_the_way_to_whatever_the_values_name_is_open(chart: Chart, values: dict[str, Any], port: int) -> None:
    egress = chart.one("NetworkPolicy", values)["spec"]["egress"]
    assert [{each["port"] for each in rule["ports"]} for rule in egress] == [{53}, {port}]


def test_the_way_to_each_host_of_a_database_is_open(chart: Chart) -> None:
    values = {"settings": {"retrieval_url": "postgresql://me@a.example:6000,b.example,c.example:7000/db"}}
    egress = chart.one("NetworkPolicy", values)["spec"]["egress"]
    assert [{each["port"] for each in rule["ports"]} for rule in egress] == [{53}, {6000, 5432, 7000}]


def test_a_file_of_keys_opens_no_way(chart: Chart) -> None:
    values = {"settings": {"jwks": "/opt/xapp/keys/keys.json"}}
    assert chart.one("NetworkPolicy", values)["spec"]["egress"] == []


def test_egress_follows_what_the_ric_is_asked(chart: Chart) -> None:
    egress = chart.one("NetworkPolicy", MATRIX["in a RIC"])["spec"]["egress"]
    platform = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ricplt"}}}
    ports = [{each["port"] for each in rule["ports"]} for rule in egress]
    assert ports == [{53}, {443}, {8080, 10000}, {4560}]
    assert egress[2]["to"] == [platform]
    assert set(egress[3]["to"][0]["podSelector"]["matchLabels"]) == {"app", "release"}
    only_alarms = {"ric": {"alarms": "http://alarms.ricplt:9000"}}
    rules = chart.one("NetworkPolicy", only_alarms)["spec"]["egress"]
    assert [{each["port"] for each in rule["ports"]} for rule in rules] == [{53}, {9000}]


# ---- what the operator adds


def test_a_file_of_the_operator_reaches_the_server_and_not_what_fetches_models(chart: Chart) -> None:
    values = MATRIX["files and containers of the operator"] | {"models": {"source": "empty", "pull": ["a"]}}
    pod = chart.pod(values)
    server, sidecar = pod["containers"]
    assert {"name": "quotas", "mountPath": "/opt/xapp/quotas", "readOnly": True} in server["volumeMounts"]
    assert "quotas" not in [mount["name"] for mount in pod["initContainers"][0]["volumeMounts"]]
    assert settings_of(chart, values)["quotas"].startswith("/opt/xapp/quotas/")
    assert sidecar == SIDECAR


# ---- models


@every_variant
def test_an_image_that_is_on_the_node_needs_no_registry(chart: Chart, values: dict[str, Any]) -> None:
    """A pod starts again while the registry is down."""
    assert {c["imagePullPolicy"] for c in containers(chart.pod(values)) if c != SIDECAR} == {"IfNotPresent"}


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


# ---- collections


def test_collections_have_no_place_unless_asked_for(chart: Chart) -> None:
    assert "retrieval_folder" not in settings_of(chart)
    assert "collections" not in {volume["name"] for volume in chart.pod()["volumes"]}


@pytest.mark.parametrize(
    ("variant", "volume"),
    [
        (
            "collections on each node",
            {"hostPath": {"path": "/var/lib/genai-xapp/collections", "type": "Directory"}},
        ),
        (
            "collections in a claim",
            {"persistentVolumeClaim": {"claimName": "ricxapp-genai-xapp-collections"}},
        ),
        ("collections of another claim", {"persistentVolumeClaim": {"claimName": "handbooks"}}),
        ("collections for a try", {"emptyDir": {}}),
    ],
)
def test_collections_lie_where_the_server_writes_them(
    chart: Chart, variant: str, volume: dict[str, Any]
) -> None:
    values = MATRIX[variant]
    pod = chart.pod(values)
    assert {"name": "collections", **volume} in pod["volumes"]
    (mount,) = [m for m in pod["containers"][0]["volumeMounts"] if m["name"] == "collections"]
    assert mount["mountPath"] == settings_of(chart, values)["retrieval_folder"]
    assert not mount.get("readOnly")


def test_a_claim_of_collections_outlives_the_release(chart: Chart) -> None:
    claim = chart.one("PersistentVolumeClaim", MATRIX["collections in a claim"])
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    manifests = chart.render(MATRIX["collections of another claim"])
    assert not [m for m in manifests if m["kind"] == "PersistentVolumeClaim"]


def test_the_old_pod_ends_before_the_new_pod_opens_the_collections(chart: Chart) -> None:
    deployment = chart.one("Deployment", MATRIX["collections in a claim"])["spec"]
    assert deployment["strategy"] == {"type": "Recreate"}
    daemons = chart.one("DaemonSet", MATRIX["collections on each node"])["spec"]
    assert daemons["updateStrategy"]["rollingUpdate"] == {"maxUnavailable": 1, "maxSurge": 0}


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
        ({"collections": {"source": "claim"}}, "collections.source"),
        (
            {"kind": "Deployment", "replicas": 2, "collections": {"source": "claim"}},
            "collections.source",
        ),
        (
            {"kind": "Deployment", "replicas": 2, "collections": {"source": "hostPath"}},
            "collections.source",
        ),
        ({"collections": {"source": "hostPath"}, "rollout": {"maxSurge": 1}}, "rollout.maxSurge"),
        (
            {"collections": {"source": "empty"}, "settings": {"retrieval": {"folder": "/models"}}},
            "collections.source",
        ),
        (
            {"collections": {"source": "empty"}, "settings": {"retrieval_folder": "/models"}},
            "collections.source",
        ),
        ({"collections": {"source": "image"}}, "/collections/source"),
        ({"collections": {"claim": {"accessMode": "ReadOnlyMany"}}}, "/collections/claim/accessMode"),
        ({"xappName": "a" * 60}, "xappName"),
        ({"ric": {"appmgr": "http://appmgr"}}, "ric.appmgr"),
        ({"kind": "Deployment", "ric": {"appmgr": "http://appmgr"}}, "ric.rmrEndpoint"),
        ({"ric": {"rmrEndpoint": "no-port"}}, "/ric/rmrEndpoint"),
        ({"ric": {"a1": "a1:10000"}}, "/ric/a1"),
        ({"ric": {"a2": ""}}, "a2"),
        ({"tls": {"certManager": {"issuer": "ran-ca"}}}, "tls.secret"),
        ({"tls": {"secret": "cert", "certManager": {"isuer": "ran-ca"}}}, "isuer"),
        ({"tls": {"certManager": {"duration": "90d"}}}, "/tls/certManager/duration"),
        ({"extraVolumes": [{"nmae": "a"}]}, "/extraVolumes/0"),
        ({"extraVolumeMounts": [{"name": "a", "mountPath": "a"}]}, "/extraVolumeMounts/0/mountPath"),
        ({"extraContainers": [{"name": "a"}]}, "/extraContainers/0"),
        ({"resorces": {}}, "resorces"),
        ({"models": {"sorce": "image"}}, "sorce"),
        ({"models": {"claim": {"sise": "8Gi"}}}, "sise"),
        ({"image": {"pullpolicy": "Never"}}, "pullpolicy"),
        ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
        ({"envoy": {"enabled": True}, "settings": {"jwks": "https://issuer.example/keys"}}, "envoy.enabled"),
        ({"ric": {"a1": "http://a1", "policies": {"a.json": "{}"}}}, "ric.policies"),
        ({"ric": {"policies": {"night.yaml": "{}"}}}, "night.yaml"),
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
