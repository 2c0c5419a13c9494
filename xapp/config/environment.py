"""The settings in the environment, and its keys that are not read."""

import re
from collections.abc import Mapping

from xapp.config.file import Values
from xapp.config.keys import BY_FLAT, KEYS, PREFIX
from xapp.failpoints import KEY as FAILPOINTS_KEY
from xapp.near import nearest
from xapp.settings_file import FILE_KEY

_CLIENT_KEYS = {"XAPP_TARGET", "XAPP_NODE_CA", "XAPP_CLIENT_CERT", "XAPP_CLIENT_KEY", "XAPP_TOKEN_FILE"}
_HELPER_KEYS = {
    *("XAPP_RPC_HOST", "XAPP_RPC_PORT", "XAPP_RPC_MEMORY_MB", "XAPP_RPC_CACHE_DIR", "XAPP_RPC_CACHE_MB"),
}
OTHER_KEYS = frozenset({FILE_KEY, FAILPOINTS_KEY, "XAPP_DESCRIPTOR_PATH", *_CLIENT_KEYS, *_HELPER_KEYS})
"""Keys that are no settings of the server and are read elsewhere."""

# Kubernetes sets these for a Service named xapp…. Its `_PORT` is a URL, a setting's is a number.
_KUBERNETES_KEY = re.compile(
    r"_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$"
)
_KUBERNETES_PORT = re.compile(r"_PORT=\w+://")


def read_environment(environ: Mapping[str, str]) -> Values:
    """The settings in the environment. An empty value counts as not set."""
    names = {key: key.removeprefix(PREFIX).lower() for key in environ if key.startswith(PREFIX)}
    return {
        BY_FLAT[name]: environ[key]
        for key, name in names.items()
        if name in BY_FLAT and _is_set(key, environ[key])
    }


def unknown_keys(environ: Mapping[str, str]) -> dict[str, str]:
    """Keys `XAPP_*` that are not read, each with the nearest key that is read, or "".

    Empty values count as not set, and variables of Kubernetes for a Service named xapp… are left out.
    """
    known = {key.variable for key in KEYS} | OTHER_KEYS
    unread = (key for key in environ if key.startswith(PREFIX) and key.upper() not in known)
    return {
        key: nearest(key.upper(), known)
        for key in unread
        if environ[key] and not _is_kubernetes(key, environ[key])
    }


def _is_kubernetes(key: str, value: str) -> bool:
    return bool(_KUBERNETES_KEY.search(key) or _KUBERNETES_PORT.search(f"{key}={value}"))


def _is_set(key: str, value: str) -> bool:
    # For a Service named xapp-grpc Kubernetes sets XAPP_GRPC_PORT=tcp://…, which is not this program's
    # setting.
    return value != "" and not _KUBERNETES_PORT.search(f"{key}={value}")
