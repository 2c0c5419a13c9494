"""The settings of a helper, checked."""

import ipaddress
import shutil
from dataclasses import dataclass
from pathlib import Path

from xapp.backend.node import this_node
from xapp.errors import ConfigError
from xapp.hosts import is_loopback

KEYS = {
    "host": "XAPP_RPC_HOST",
    "port": "XAPP_RPC_PORT",
    "memory_mb": "XAPP_RPC_MEMORY_MB",
    "cache_dir": "XAPP_RPC_CACHE_DIR",
    "cache_mb": "XAPP_RPC_CACHE_MB",
}
OWN_RESERVE_BYTES = 256 * 1024 * 1024
"""Memory of the machine that is left for its other processes, where no limit is set."""
MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class HelperSettings:
    """`memory_mb` and `threads` 0: sized for this machine. `cache_dir` "": no cache."""

    host: str = "127.0.0.1"
    port: int = 50052
    memory_mb: int = 0
    threads: int = 0
    cache_dir: str = ""
    cache_mb: int = 4096
    insecure: bool = False

    @property
    def memory_bytes(self) -> int:
        """Memory for layers."""
        return self.memory_mb * MB or max(this_node().memory_bytes - OWN_RESERVE_BYTES, 0)

    @property
    def num_threads(self) -> int:
        """Compute threads."""
        return self.threads or this_node().cores


def check(settings: HelperSettings) -> None:
    """Raises ConfigError naming the key."""
    _check_host(settings)
    if settings.cache_dir:
        _check_cache(Path(settings.cache_dir), settings.cache_mb * MB)


def _check_host(settings: HelperSettings) -> None:
    try:
        address = ipaddress.IPv4Address(settings.host)
    except ValueError as error:
        text = f"{settings.host!r}: the IPv4 address of an interface of this machine is expected"
        raise ConfigError(KEYS["host"], text) from error
    if address.is_unspecified:
        text = f"{settings.host} names no address: name the interface that the serving node reaches"
        raise ConfigError(KEYS["host"], text)
    if not is_loopback(settings.host) and not settings.insecure:
        text = (
            f"other machines can reach {settings.host}, and the protocol has no authentication: who reaches"
            " it can use this process as it likes. XAPP_INSECURE=true permits it in a closed network"
        )
        raise ConfigError(KEYS["host"], text)


def _check_cache(folder: Path, limit_bytes: int) -> None:
    """A full disk would cut files short, and llama.cpp does not notice that."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free + sum(file.stat().st_size for file in folder.iterdir())
    except OSError as error:
        raise ConfigError(KEYS["cache_dir"], f"{folder}: {error.strerror}") from error
    if free < limit_bytes:
        text = f"{limit_bytes // MB} MB, and {folder} has {free // MB} MB free"
        raise ConfigError(KEYS["cache_mb"], text)
