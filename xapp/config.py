"""Settings of the service: environment `XAPP_*` over a TOML file over defaults, parsed once, frozen.

The key of a field is `XAPP_` and its name in capitals; in the file (`XAPP_CONFIG_FILE`) it is the
name itself. None means: sized by the service from the node. Raises ConfigError naming the key.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from xapp.errors import ConfigError
from xapp.folders import default_models_dir
from xapp.hosts import bare
from xapp.near import did_you_mean, nearest
from xapp.settings_file import FILE_KEY, read_settings_file

PREFIX = "XAPP_"
_CLIENT_KEYS = {"XAPP_TARGET", "XAPP_NODE_CA", "XAPP_CLIENT_CERT", "XAPP_CLIENT_KEY", "XAPP_TOKEN_FILE"}
OTHER_KEYS = frozenset({FILE_KEY, "XAPP_DESCRIPTOR_PATH", *_CLIENT_KEYS})
"""Keys that are no settings of the server and are read elsewhere."""

# What Kubernetes sets for a Service named xapp…; its `_PORT` is a URL, a setting's is a number.
_KUBERNETES_KEY = re.compile(
    r"_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$"
)
_KUBERNETES_PORT = re.compile(r"_PORT=\w+://")

Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0, le=86400)]


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker needs to know; every field is a setting of the same name."""

    context_length: Annotated[int, Meta(ge=64)] | None = None
    slots: Annotated[int, Meta(ge=1, le=128)] | None = None
    kv_cells: Annotated[int, Meta(ge=64)] | None = None
    kv_type: Literal["auto", "f16", "q8_0"] = "auto"
    kv_layout: Literal["unified"] = "unified"
    flash_attention: Literal["auto", "on", "off"] = "auto"
    threads: Annotated[int, Meta(ge=1, le=512)] | None = None
    gpu_layers: Annotated[int, Meta(ge=-1)] = 0
    memory_limit_mb: Annotated[int, Meta(ge=64)] | None = None
    step_budget_ms: Annotated[float, Meta(ge=1, le=60_000)] | Literal["auto"] = "auto"
    prefill_share: Annotated[float, Meta(ge=0, le=1)] = 0.5
    batch_tokens: Annotated[int, Meta(ge=1, le=4096)] = 512
    prefix_cache: bool = True
    ageing_s: Annotated[float, Meta(gt=0, le=86_400)] = 30.0
    backend: Literal["llama", "fake"] = "llama"

    @property
    def step_budget_s(self) -> float | None:
        """Seconds that a step with prompts may take beside others; None is `auto`."""
        return None if self.step_budget_ms == "auto" else self.step_budget_ms / 1000


class Settings(EngineSettings, frozen=True, kw_only=True):
    """All settings of a server."""

    model: str = "smollm2-135m-q4_1"
    models: str = ""
    models_dir: str = msgspec.field(default_factory=default_models_dir)
    max_models: Positive = 4
    host: str = "0.0.0.0"  # noqa: S104  a node's service is reached from other pods
    grpc_port: Port = 50051
    http_port: Port = 8080
    tls_cert: str = ""
    tls_key: str = ""
    tls_client_ca: str = ""
    http_tls: bool = True
    tokens_file: str = ""
    jwks: str = ""
    jwks_ca: str = ""
    jwt_issuer: str = ""
    jwt_audience: str = ""
    jwt_name_claim: str = "sub"
    jwt_groups_claim: str = "groups"
    policy_file: str = ""
    open: str = "health"
    closed: str = ""
    node_name: str = ""
    max_connections: Annotated[int, Meta(ge=1, le=100_000)] = 1024
    max_calls: Annotated[int, Meta(ge=1, le=100_000)] = 4096
    max_queue: Annotated[int, Meta(ge=0, le=100_000)] = 64
    max_output_tokens: Positive = 2048
    max_message_bytes: Annotated[int, Meta(ge=1024, le=64 * 1024 * 1024)] = 4 * 1024 * 1024
    default_deadline_s: Seconds = 600.0
    max_deadline_s: Seconds = 3600.0
    deadline_margin_ms: Annotated[float, Meta(ge=0, le=60_000)] = 50.0
    deadline_admission: bool = True
    join_identical: bool = True
    quotas: str = ""
    tasks_dir: str = ""
    pin_tasks: bool = True
    keepalive_s: Seconds = 30.0
    keepalive_timeout_s: Seconds = 10.0
    write_timeout_s: Seconds = 30.0
    grace_period_s: Seconds = 20.0
    load_timeout_s: Seconds = 600.0
    hang_timeout_s: Seconds = 300.0
    restart_backoff_max_s: Seconds = 30.0
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "plain"] = "auto"
    log_prompts: bool = False

    @property
    def has_credentials(self) -> bool:
        """Whether callers have to show who they are."""
        return bool(self.tls_client_ca or self.tokens_file or self.jwks)

    @property
    def engine(self) -> EngineSettings:
        """The part that a worker needs."""
        names = EngineSettings.__struct_fields__
        return EngineSettings(**{name: getattr(self, name) for name in names})


def load_settings(environ: Mapping[str, str], overrides: Mapping[str, Any] | None = None) -> Settings:
    """Defaults, then the file, then the environment, then `overrides` (the command line)."""
    values = _known(read_settings_file(environ), environ.get(FILE_KEY, ""))
    values |= _read_environment(environ)
    values |= {key: value for key, value in (overrides or {}).items() if value is not None}
    return _convert(values)


def unknown_keys(environ: Mapping[str, str]) -> dict[str, str]:
    """Keys `XAPP_*` that nothing reads, each with the nearest one that is read, or "".

    Empty ones count as not set, and what Kubernetes sets for a Service named xapp… is left out.
    """
    known = {PREFIX + name.upper() for name in Settings.__struct_fields__} | OTHER_KEYS
    unread = (key for key in environ if key.startswith(PREFIX) and key.upper() not in known)
    return {
        key: nearest(key.upper(), known)
        for key in unread
        if environ[key] and not _is_kubernetes(key, environ[key])
    }


def _is_kubernetes(key: str, value: str) -> bool:
    return bool(_KUBERNETES_KEY.search(key) or _KUBERNETES_PORT.search(f"{key}={value}"))


def _read_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    fields = set(Settings.__struct_fields__)
    names = {key: key.removeprefix(PREFIX).lower() for key in environ if key.startswith(PREFIX)}
    return {
        name: environ[key] for key, name in names.items() if name in fields and _is_set(key, environ[key])
    }


def _is_set(key: str, value: str) -> bool:
    # For a Service named xapp-grpc Kubernetes sets XAPP_GRPC_PORT=tcp://…: that is not our setting.
    return value != "" and not _KUBERNETES_PORT.search(f"{key}={value}")


def _known(values: dict[str, Any], source: str) -> dict[str, Any]:
    for name in values:
        if name not in Settings.__struct_fields__:
            hint = did_you_mean(name, Settings.__struct_fields__)
            raise ConfigError(name, f"no such setting (in {source}){hint}")
    return values


def _convert(values: dict[str, Any]) -> Settings:
    if isinstance(host := values.get("host"), str):
        values = values | {"host": bare(host)}
    for name, value in values.items():
        _check_one(name, value)
    return msgspec.convert(values, Settings, strict=False)


def _check_one(name: str, value: Any) -> None:
    try:
        msgspec.convert({name: value}, Settings, strict=False)
    except msgspec.ValidationError as error:
        reason = str(error).split(" - at ")[0]
        raise ConfigError(PREFIX + name.upper(), f"{value!r}: {reason}") from error
