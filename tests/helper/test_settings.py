"""A helper listens on a named address only, and beyond loopback only where it is told so."""

import shutil
from pathlib import Path

import pytest

from xapp.errors import ConfigError
from xapp.helper.settings import HelperSettings, check


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9"])
def test_loopback_needs_no_permission(host: str) -> None:
    check(HelperSettings(host=host))


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("10.0.0.2", "no authentication.*XAPP_INSECURE=true permits it"),
        ("0.0.0.0", "names no address"),
        ("::1", "the IPv4 address"),
        ("localhost", "the IPv4 address"),
        ("", "the IPv4 address"),
    ],
)
def test_an_address_that_is_refused(host: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"XAPP_RPC_HOST: .*{text}"):
        check(HelperSettings(host=host))


def test_another_address_with_permission() -> None:
    check(HelperSettings(host="10.0.0.2", insecure=True))
    with pytest.raises(ConfigError, match="names no address"):
        check(HelperSettings(host="0.0.0.0", insecure=True))


def test_a_cache_that_the_disk_has_no_room_for(tmp_path: Path) -> None:
    most = shutil.disk_usage(tmp_path).total // (1 << 20) + 1
    with pytest.raises(ConfigError, match=r"XAPP_RPC_CACHE_MB: .* MB free"):
        check(HelperSettings(cache_dir=str(tmp_path / "new"), cache_mb=most))
    check(HelperSettings(cache_dir=str(tmp_path / "new"), cache_mb=1))


def test_a_cache_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="XAPP_RPC_CACHE_DIR: "):
        check(HelperSettings(cache_dir=str(tmp_path / "file")))


def test_sizes_are_those_of_the_machine_unless_they_are_set() -> None:
    assert HelperSettings(memory_mb=5, threads=3).memory_bytes == 5 << 20
    assert HelperSettings().memory_bytes > 0
    assert HelperSettings(threads=3).num_threads == 3
    assert HelperSettings().num_threads > 0
