"""The errors of helpers. Each message names the helper and the setting."""

from xapp.config.rpc_hosts import RpcHost
from xapp.errors import ModelError, Unavailable

LOST = "RPC_HOST_LOST"
UNFIT = "RPC_HOST_UNFIT"
RETRY_AFTER_S = 5.0


def lost(host: RpcHost | str, why: str) -> Unavailable:
    """The helper does not answer now. It may be back later."""
    text = f"the helper {host} {why} (XAPP_RPC_HOSTS)"
    return Unavailable(text, reason=LOST, metadata={"host": str(host)}, retry_after_s=RETRY_AFTER_S)


def unfit(host: RpcHost, why: str) -> ModelError:
    """Waiting does not help: the port is not a helper of this build."""
    return ModelError(f"{host} {why} (XAPP_RPC_HOSTS)", reason=UNFIT, metadata={"host": str(host)})
