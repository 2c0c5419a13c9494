"""The xApp descriptor: the file that the platform mounted, else a minimal valid one.

Valid is what the onboarder's schema accepts: ports named `http` and `grpc`, no `rmr` section, semver.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xapp.errors import ConfigError
from xapp.text_file import read_text
from xapp.version import installed_version

PATH_KEY = "XAPP_DESCRIPTOR_PATH"
NAME = "genai-xapp"
_FILE_NAME = "config-file.json"


def load_descriptor(environ: Mapping[str, str], http_port: int, grpc_port: int) -> str:
    """The descriptor's JSON text. Raises ConfigError when the named file is missing or no JSON object.

    Read anew at each call: a ConfigMap's update changes the content behind the same path.
    """
    if path := environ.get(PATH_KEY):
        return _read(Path(path))
    return json.dumps(built_in(http_port, grpc_port))


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
    """The xApp's name, under either of the keys that the schema allows."""
    content: dict[str, Any] = json.loads(descriptor)
    return str(content.get("name") or content.get("xapp_name") or NAME)


def built_in(http_port: int, grpc_port: int) -> dict[str, Any]:
    """The least that the onboarder accepts for this service."""
    version = installed_version()
    return {
        "name": NAME,
        "version": version,
        "containers": [{"name": NAME, "image": {"registry": "localhost", "name": NAME, "tag": version}}],
        "messaging": {"ports": [_port("http", http_port), _port("grpc", grpc_port)]},
        "readinessProbe": _probe("ready", http_port),
        "livenessProbe": _probe("alive", http_port),
        "metrics": {"url": "/ric/v1/metrics", "namespace": "ricxapp"},
    }


def _port(name: str, port: int) -> dict[str, Any]:
    return {"name": name, "container": NAME, "port": port, "description": f"{name} of {NAME}"}


def _probe(what: str, port: int) -> dict[str, Any]:
    get = {"path": f"/ric/v1/health/{what}", "port": port}
    return {"httpGet": get, "initialDelaySeconds": 5, "periodSeconds": 15}
