"""The errors of helpers. Each message names the helper and the setting."""

from xapp.config.rpc_hosts import RpcHost
from xapp.errors import FailedPrecondition, ModelError, Unavailable

RETRY_AFTER_S = 5.0


def lost(host: RpcHost, why: str) -> Unavailable:
    """The helper does not answer now. It may be back later."""
    text = f"the helper {host} {why} (XAPP_RPC_HOSTS)"
    metadata = {"host": str(host)}
    return Unavailable(text, reason="RPC_HOST_LOST", metadata=metadata, retry_after_s=RETRY_AFTER_S)


def memory_lost(text: str) -> Unavailable:
    """The memory of a helper that does not answer is needed."""
    return Unavailable(text, reason="RPC_HOST_LOST", retry_after_s=RETRY_AFTER_S)


def unfit(host: RpcHost, why: str) -> ModelError:
    """Waiting does not help: the port is not a helper of this build."""
    return ModelError(f"{host} {why} (XAPP_RPC_HOSTS)", reason="RPC_HOST_UNFIT", metadata={"host": str(host)})


def no_rpc() -> FailedPrecondition:
    """The build of llama.cpp has no RPC."""
    text = "this build of llama.cpp has no RPC: build it with CMAKE_ARGS=-DGGML_RPC=ON (make rebuild)"
    return FailedPrecondition(text, reason="NO_RPC")
