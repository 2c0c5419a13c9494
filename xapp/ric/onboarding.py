"""The rules of the RIC's onboarder for a descriptor, written anew.

The onboarder has them in the schema of xapp_schema.py. The schema in its documentation differs.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import SchemaError

PORT_NAMES = ("http", "grpc", "rmrdata", "rmrroute")
_NUMBER = r"(0|[1-9]\d*)"
_PRE = r"(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_SEMVER = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_PRE}(\.{_PRE})*)?(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?", re.ASCII
)
_REGISTRY = re.compile(r"([A-Za-z0-9.-]+\.[A-Za-z]+|(\d{1,3}\.){3}\d{1,3})(:\d+)?", re.ASCII)
_MESSAGES = ("txMessages", "rxMessages", "policies")
_Table = Mapping[str, Any]


def faults(descriptor: Any, schema: Any = None) -> list[str]:
    """The reasons why the onboarder, or the application manager after it, would refuse the descriptor; empty
    if both accept it. `schema` is the schema of `controls`, None without such a file.
    """
    if not isinstance(descriptor, dict):
        return ["is no JSON object"]
    return [
        *_of_names(descriptor),
        *_of_containers(descriptor),
        *(fault for probe in ("readinessProbe", "livenessProbe") for fault in _of_probe(descriptor, probe)),
        *_of_messaging(descriptor),
        *_of_controls(descriptor, schema),
    ]


def _of_names(descriptor: _Table) -> Iterator[str]:
    if not _text(descriptor.get("name", descriptor.get("xapp_name"))):
        yield "name: is missing"
    version = descriptor.get("version")
    if not isinstance(version, str) or not _SEMVER.fullmatch(version):
        yield f"version: {version!r} is no semantic version"
    if not isinstance(descriptor.get("metrics", {}), dict):
        yield "metrics: is no object"
    if "rmr" in descriptor:
        yield "rmr: shadows `messaging` in the application manager"


def _of_containers(descriptor: _Table) -> Iterator[str]:
    for place, container in _items(descriptor, "containers"):
        if not _text(container.get("name")):
            yield f"{place}.name: is missing"
        image = container.get("image")
        if not isinstance(image, dict) or not all(_text(image.get(k)) for k in ("registry", "name", "tag")):
            yield f"{place}.image: needs registry, name and tag"
        elif not _REGISTRY.fullmatch(image["registry"]):
            yield f"{place}.image.registry: {image['registry']!r} is no host with a dot, or address, and port"
    if not descriptor.get("containers"):
        yield "containers: is missing"


def _of_probe(descriptor: _Table, name: str) -> Iterator[str]:
    probe = descriptor.get(name)
    if probe is None:
        return
    if not isinstance(probe, dict) or ("exec" in probe) == ("httpGet" in probe):
        yield f"{name}: needs one of exec and httpGet"
        return
    for key in ("initialDelaySeconds", "periodSeconds"):
        if not _integer(probe.get(key)):
            yield f"{name}.{key}: is no integer"
    get = probe.get("httpGet")
    if get is not None and not (
        isinstance(get, dict) and _text(get.get("path")) and _integer(get.get("port"))
    ):
        yield f"{name}.httpGet: needs path and port"


def _of_messaging(descriptor: _Table) -> Iterator[str]:
    messaging = descriptor.get("messaging")
    if not isinstance(messaging, dict) or not isinstance(messaging.get("ports"), list):
        yield "messaging.ports: is missing"
        return
    for place, port in _items(messaging, "ports"):
        if not _text(port.get("container")) or not _integer(port.get("port")):
            yield f"messaging.{place}: needs name, container and port"
        if port.get("name") not in PORT_NAMES:
            yield f"messaging.{place}.name: is not one of {', '.join(PORT_NAMES)}"
        if 0 < sum(key in port for key in _MESSAGES) < len(_MESSAGES):
            yield f"messaging.{place}: needs all of {', '.join(_MESSAGES)}, or none"
        if not all(_integer(each) for each in port.get("policies", ())):
            yield f"messaging.{place}.policies: are no integers"


def _of_controls(descriptor: _Table, schema: Any) -> Iterator[str]:
    if schema is not None:
        try:
            Draft7Validator.check_schema(schema)
        except SchemaError as error:
            yield f"schema: {error.message}"
            return
    if "controls" not in descriptor:
        return
    if schema is None:
        yield "controls: needs a schema of its own"
        return
    for fault in Draft7Validator(schema).iter_errors(descriptor["controls"]):
        yield f"controls: {fault.message}"


def _items(table: _Table, key: str) -> Iterator[tuple[str, _Table]]:
    for number, item in enumerate(table.get(key, ())):
        yield f"{key}[{number}]", item if isinstance(item, dict) else {}


def _text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
