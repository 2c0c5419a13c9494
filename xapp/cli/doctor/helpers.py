"""Check of the helpers that compute layers for the models of this node."""

from collections.abc import Iterator

from xapp.backend.rpc.plan import Hosts, host_room
from xapp.cli.doctor.finding import Finding, fail, good, warn
from xapp.config import EngineSettings, Settings
from xapp.errors import XappError
from xapp.served.dependencies import ask_helpers

_MIB = 1024 * 1024
_ADVICE = "on that machine: genai-xapp rpc-serve, of the same version as this one"


def check_helpers(settings: Settings) -> Finding:
    """Whether each helper answers, and speaks as this build does."""
    found = []
    for engine in _with_helpers(settings):
        try:
            found.append(ask_helpers(engine))
        except XappError as error:
            return fail("helpers", error.message, _ADVICE)
    if missing := [reason for hosts in found for reason in hosts.missing]:
        return warn("helpers", "; ".join(missing), f"{_ADVICE}; or remove it from XAPP_RPC_HOSTS")
    return good("helpers", "; ".join(map(_text, found)) or "none are named")


def _with_helpers(settings: Settings) -> Iterator[EngineSettings]:
    """The settings of models with helpers, once for the same helpers."""
    engines = [settings.engine, *(own.engine for own in settings.models.values())]
    yield from {engine.rpc_hosts: engine for engine in engines if engine.rpc_hosts}.values()


def _text(hosts: Hosts) -> str:
    return "; ".join(
        f"{state.host} has room for {host_room(state) // _MIB} MiB, {state.round_trip_s * 1000:.1f} ms away"
        for state in hosts.states
    )
