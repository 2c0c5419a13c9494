"""The xApp descriptor: the file that the platform mounted, or the descriptor made from the settings.

`xapp/ric/onboarding.py` says what the onboarder accepts.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from xapp.config import KEYS, TABLES, Settings
from xapp.config.keys import MODELS
from xapp.errors import ConfigError
from xapp.ric.json_schema import json_schema
from xapp.text_file import read_text
from xapp.version import installed_version

PATH_KEY = "XAPP_DESCRIPTOR_PATH"
NAME = "genai-xapp"
REGISTRY = "127.0.0.1"
"""The onboarder accepts addresses and host names with a dot; `localhost` is neither."""
GRPC_PORT, HTTP_PORT, RMR_DATA_PORT, RMR_ROUTE_PORT = 50051, 8080, 4560, 4561
_FILE_NAME = "config-file.json"
_OF_THE_NODE = frozenset({"host", "grpc_port", "http_port", "models_dir", "node_name"})
"""Settings that are elsewhere in the descriptor, or belong to one machine."""


def load_descriptor(environ: Mapping[str, str], settings: Settings, *, grpc_port: int | None = None) -> str:
    """The descriptor's JSON text. Raises ConfigError when the named file is missing or no JSON object.

    Read anew at each call: a ConfigMap's update changes the content behind the same path. `grpc_port` is
    where the node really listens.
    """
    if path := environ.get(PATH_KEY):
        return _read(Path(path))
    return json.dumps(built_in(settings, grpc_port=grpc_port))


def _read(path: Path) -> str:
    file = path / _FILE_NAME if path.is_dir() else path
    try:
        text = read_text(file)
        is_object = isinstance(json.loads(text), dict)
    except OSError as error:
        raise ConfigError(PATH_KEY, f"cannot read {file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(PATH_KEY, f"{file} is not JSON: {error}") from error
    if not is_object:
        raise ConfigError(PATH_KEY, f"{file} is not a JSON object")
    return text


def name_in(descriptor: str) -> str:
    """The xApp's name, under either of the two keys that the schema allows."""
    content: dict[str, Any] = json.loads(descriptor)
    return str(content.get("name") or content.get("xapp_name") or NAME)


def built_in(
    settings: Settings,
    *,
    name: str = NAME,
    image: Mapping[str, str] | None = None,
    grpc_port: int | None = None,
) -> dict[str, Any]:
    """The descriptor made from the settings. `image` has registry, name and tag."""
    version = installed_version()
    default = {"registry": REGISTRY, "name": NAME, "tag": version}
    http_port = settings.server.http_port or HTTP_PORT
    secure = bool(settings.tls.cert) and settings.tls.http
    descriptor = {
        "name": name,
        "version": version,
        "containers": [{"name": name, "image": dict(image or default)}],
        "messaging": {"ports": _ports(name, settings, http_port, grpc_port)},
        "readinessProbe": _probe("ready", http_port, secure=secure),
        "livenessProbe": _probe("alive", http_port, secure=secure),
        "metrics": {"url": "/ric/v1/metrics", "namespace": "ricxapp"},
    }
    if said := controls(settings):
        descriptor["controls"] = said
    return descriptor


def _ports(name: str, settings: Settings, http_port: int, grpc_port: int | None) -> list[dict[str, Any]]:
    grpc_port = grpc_port or settings.server.grpc_port or GRPC_PORT
    ports = [
        _port(name, "http", http_port, "health, metrics and configuration over HTTP"),
        _port(name, "grpc", grpc_port, "xapp.inference.v1 over gRPC"),
    ]
    if settings.ric.rmr_endpoint:
        messages = {
            "rxMessages": ["A1_POLICY_REQ"],
            "txMessages": ["A1_POLICY_RESP", "A1_POLICY_QUERY"],
            "policies": [settings.ric.policy_type],
        }
        ports += [
            _port(name, "rmrdata", RMR_DATA_PORT, "RMR, by a sidecar") | messages,
            _port(name, "rmrroute", RMR_ROUTE_PORT, "routes of RMR, by a sidecar"),
        ]
    return ports


def _port(container: str, name: str, port: int, description: str) -> dict[str, Any]:
    return {"name": name, "container": container, "port": port, "description": description}


def _probe(what: str, port: int, *, secure: bool) -> dict[str, Any]:
    get: dict[str, Any] = {"path": f"/ric/v1/health/{what}", "port": port}
    if secure:
        get["scheme"] = "HTTPS"
    return {"httpGet": get, "initialDelaySeconds": 5, "periodSeconds": 15}


def controls(settings: Settings) -> dict[str, Any]:
    """The settings that differ from the defaults, by their names without a table, without the tables of
    models.

    The onboarder refuses an empty object: an empty result is left out.
    """
    said, default = (msgspec.to_builtins(each) for each in (settings, Settings()))
    return {
        key.flat: said[key.table][key.name]
        for key in KEYS
        if key.flat not in _OF_THE_NODE and said[key.table][key.name] != default[key.table][key.name]
    }


def controls_schema() -> dict[str, Any]:
    """The JSON schema of `controls`.

    The onboarder puts it into its own schema, so it has no references. Settings may be in their tables, or
    without a table.
    """
    tables = {name: json_schema(table) | {"additionalProperties": False} for name, table in TABLES.items()}
    bare = {key.flat: tables[key.table]["properties"][key.name] for key in KEYS}
    models = {MODELS: {"anyOf": [bare[MODELS], {"type": "object"}]}}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": bare | tables | models,
        "additionalProperties": False,
    }
