"""Each rule by which the RIC's onboarder, or the application manager after it, refuses a descriptor."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.flat_settings import flat_settings
from xapp.config import Settings
from xapp.ric.descriptor import built_in, controls_schema
from xapp.ric.onboarding import faults

Change = Callable[[dict[str, Any]], Any]


def good() -> dict[str, Any]:
    return built_in(flat_settings(ric_rmr_endpoint="rmr.ricxapp:4560", slots=4))


def change(**values: Any) -> Change:
    return lambda descriptor: descriptor.update(values)


def of_image(**values: Any) -> Change:
    return lambda descriptor: descriptor["containers"][0]["image"].update(values)


def of_port(number: int, **values: Any) -> Change:
    return lambda descriptor: descriptor["messaging"]["ports"][number].update(values)


def of_probe(**values: Any) -> Change:
    return lambda descriptor: descriptor["livenessProbe"].update(values)


def test_a_good_one() -> None:
    assert faults(good(), controls_schema()) == []


NO_VERSIONS = ["1.0", "v1.0.0", "1.0.0.0", "01.0.0", "1.0.0-", "1", 1]
NO_REGISTRIES = ["localhost", "localhost:5000", "a.example/owner", "http://a.example", "a.example:x"]
REFUSED: list[tuple[Change, str]] = [
    (lambda d: d.pop("name"), "name: is missing"),
    (change(name=""), "name: is missing"),
    (change(name=7), "name: is missing"),
    (lambda d: d.pop("version"), "version: None"),
    *(
        (change(version=text), "version: ")
        for text in ("1.0", "v1.0.0", "1.0.0.0", "01.0.0", "1.0.0-", "1", 1)
    ),
    (change(metrics=[{"name": "x"}]), "metrics: is no object"),
    (change(rmr={"protPort": "tcp:4560"}), "rmr: shadows"),
    (lambda d: d.pop("containers"), "containers: is missing"),
    (lambda d: d["containers"][0].pop("name"), "containers[0].name"),
    (lambda d: d["containers"][0].pop("image"), "containers[0].image: needs"),
    (lambda d: d["containers"][0]["image"].pop("tag"), "containers[0].image: needs"),
    (of_image(name=""), "containers[0].image: needs"),
    *(
        (of_image(registry=text), "containers[0].image.registry")
        for text in (
            "localhost",
            "localhost:5000",
            "host.example/owner",
            "http://host.example",
            "host.example:x",
        )
    ),
    (of_probe(exec={"command": ["true"]}), "livenessProbe: needs one of"),
    (lambda d: d["livenessProbe"].pop("httpGet"), "livenessProbe: needs one of"),
    (lambda d: d.update(readinessProbe={"grpc": {"port": 50051}}), "readinessProbe: needs one of"),
    (of_probe(periodSeconds="15"), "livenessProbe.periodSeconds"),
    (lambda d: d["livenessProbe"].pop("initialDelaySeconds"), "livenessProbe.initialDelaySeconds"),
    (of_probe(httpGet={"path": "/x"}), "livenessProbe.httpGet: needs path and port"),
    (of_probe(httpGet={"path": "/x", "port": "http"}), "livenessProbe.httpGet: needs path and port"),
    (lambda d: d.pop("messaging"), "messaging.ports: is missing"),
    (change(messaging={}), "messaging.ports: is missing"),
    (of_port(0, name="rest"), "messaging.ports[0].name"),
    (of_port(1, port="50051"), "messaging.ports[1]: needs name, container and port"),
    (lambda d: d["messaging"]["ports"][1].pop("container"), "messaging.ports[1]: needs name, container"),
    (lambda d: d["messaging"]["ports"][2].pop("policies"), "messaging.ports[2]: needs all of"),
    (lambda d: d["messaging"]["ports"][2].pop("txMessages"), "messaging.ports[2]: needs all of"),
    (of_port(2, policies=["21100"]), "messaging.ports[2].policies"),
    (change(controls={"slots": "four"}), "controls: "),
    (change(controls={"slot": 4}), "controls: "),
]


@pytest.mark.parametrize(("spoil", "fault"), REFUSED, ids=lambda each: each if isinstance(each, str) else "")
def test_a_bad_one(spoil: Change, fault: str) -> None:
    descriptor = copy.deepcopy(good())
    spoil(descriptor)
    found = faults(descriptor, controls_schema())
    assert [each for each in found if each.startswith(fault)], found


def test_controls_need_a_schema() -> None:
    assert faults(good()) == ["controls: needs a schema of its own"]
    assert faults(built_in(Settings())) == []


def test_a_schema_that_is_none() -> None:
    assert faults(built_in(Settings()), {"type": 7})[0].startswith("schema: ")


@pytest.mark.parametrize("registry", ["nexus3.o-ran-sc.org:10002", "ghcr.io", "127.0.0.1", "10.0.0.1:5000"])
def test_registries(registry: str) -> None:
    image = {"registry": registry, "name": "owner/genai-xapp", "tag": "1"}
    assert faults(built_in(Settings(), image=image)) == []


@pytest.mark.parametrize("version", ["0.1.0", "1.2.3-rc.1", "1.2.3+build.5", "1.0.0-0a"])
def test_versions(version: str) -> None:
    assert faults(built_in(Settings()) | {"version": version}) == []


@pytest.mark.parametrize("descriptor", [None, [], "x", {"containers": [7], "messaging": {"ports": [None]}}])
def test_what_is_no_descriptor_is_a_fault_and_no_crash(descriptor: Any) -> None:
    assert faults(descriptor, controls_schema()) != []
