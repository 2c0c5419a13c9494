"""Makes the upstream of the settings. Raises ConfigError with the key."""

import ssl
from pathlib import Path

import grpc

from xapp.config import UpstreamSettings
from xapp.errors import ConfigError
from xapp.hosts import host_of, is_loopback
from xapp.routing.classifier import KEY as CLASSIFIER_KEY
from xapp.routing.classifier import Classifier, read_classifier
from xapp.routing.destination import Upstream
from xapp.routing.linear_probe import KEY as PROBE_KEY
from xapp.routing.linear_probe import LinearProbe, read_probe
from xapp.urls import checked_url

KEYS = {name: f"XAPP_UPSTREAM_{name.upper()}" for name in UpstreamSettings.__struct_fields__}
MAX_KEY_BYTES = 8192
NONE = "none"


def check_upstream(settings: UpstreamSettings) -> None:
    """Checks what clashes with another setting."""
    if settings.kind != NONE and not settings.target:
        raise ConfigError(KEYS["target"], f"is needed with {KEYS['kind']}={settings.kind}")
    if settings.target and settings.kind == NONE:
        raise ConfigError(KEYS["kind"], "is needed with a target: genai-xapp or openai")
    if settings.kind == "openai" and not settings.model:
        raise ConfigError(KEYS["model"], "is needed with an OpenAI-compatible endpoint")
    if settings.kind != NONE and settings.signal == "classifier" and not settings.classifier:
        raise ConfigError(CLASSIFIER_KEY, f"is needed with {KEYS['signal']}=classifier")
    if settings.kind != NONE and settings.signal == "hidden_state" and not settings.probe:
        raise ConfigError(PROBE_KEY, f"is needed with {KEYS['signal']}=hidden_state")


def trained_of(settings: UpstreamSettings) -> Classifier | LinearProbe | None:
    """The signal from a file, where that is the signal."""
    match settings.signal:
        case "classifier":
            return read_classifier(Path(settings.classifier))
        case "hidden_state":
            return read_probe(Path(settings.probe))
        case _:
            return None


def make_upstream(settings: UpstreamSettings) -> Upstream:
    """The upstream. Nothing is connected yet."""
    key = read_key(settings.key_file)
    if settings.kind == "openai":
        return _endpoint(settings, key)
    from xapp.routing.node_upstream import NodeUpstream  # noqa: PLC0415  only a node with such an upstream

    _check_plain(settings, host_of(settings.target), key)
    return NodeUpstream(settings.target, settings.model, key, _credentials(settings))


def _endpoint(settings: UpstreamSettings, key: str) -> Upstream:
    from xapp.routing.openai_upstream import OpenAiUpstream  # noqa: PLC0415

    parts = checked_url(KEYS["target"], settings.target)
    if parts.query or parts.fragment:
        raise ConfigError(KEYS["target"], "takes a URL of host, port and path only")
    if (parts.scheme == "http") != settings.plain_text:
        raise ConfigError(KEYS["plain_text"], "must be true for http://, and false for https://")
    _check_plain(settings, parts.hostname or "", key)
    url = settings.target.rstrip("/")
    return OpenAiUpstream(url, settings.model, key, _context(settings.ca_file), settings.max_in_flight)


def _check_plain(settings: UpstreamSettings, host: str, key: str) -> None:
    if settings.plain_text and key and not is_loopback(host):
        raise ConfigError(KEYS["plain_text"], f"the key would travel to {host} in plain text")


def _credentials(settings: UpstreamSettings) -> grpc.ChannelCredentials | None:
    if settings.plain_text:
        return None
    try:
        roots = Path(settings.ca_file).read_bytes() if settings.ca_file else None
    except OSError as error:
        raise ConfigError(KEYS["ca_file"], f"cannot be read: {error.strerror}") from error
    return grpc.ssl_channel_credentials(roots)


def _context(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(KEYS["ca_file"], f"cannot be read: {error}") from error


def read_key(path: str) -> str:
    """The key in the file, "" without a file. No error shows it."""
    if not path:
        return ""
    try:
        with Path(path).open("rb") as file:
            body = file.read(MAX_KEY_BYTES + 1)
    except OSError as error:
        raise ConfigError(KEYS["key_file"], f"{path}: cannot be read: {error.strerror}") from error
    key = body.strip()
    if not key or len(body) > MAX_KEY_BYTES or not key.isascii() or not key.decode().isprintable():
        raise ConfigError(KEYS["key_file"], f"{path}: has no key of printable ASCII in a single line")
    return key.decode()
