"""Settings of helpers that contradict other settings of the same model."""

from xapp.config import ModelSettings
from xapp.errors import ConfigError


def check_helpers(name: str, own: ModelSettings) -> None:
    """Raises ConfigError naming the key and the model."""
    engine = own.engine
    if engine.rpc_split and not engine.rpc_hosts:
        raise ConfigError("XAPP_RPC_SPLIT", f"{name} has no helpers: set XAPP_RPC_HOSTS")
    if engine.rpc_hosts and engine.gpu_layers:
        text = f"{name} has layers on a GPU of this node (XAPP_GPU_LAYERS): it can have either, not both"
        raise ConfigError("XAPP_RPC_HOSTS", text)
