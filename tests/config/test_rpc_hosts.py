"""Helpers and splits as settings write them: a bad part is named, with the key."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.config import load_settings
from xapp.config.rpc_hosts import MAX_HOSTS, RpcHost, parse_hosts, parse_split
from xapp.errors import ConfigError


def test_helpers_keep_their_order() -> None:
    assert parse_hosts(" node-b:50052, 10.0.0.3:6000 ") == (
        RpcHost("node-b", 50052),
        RpcHost("10.0.0.3", 6000),
    )
    assert parse_hosts("") == () == parse_hosts("  ")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("node-b", "'node-b' has no port"),
        ("a:1,,b:2", "'' has no port"),
        ("[::1]:50052", "IPv4 only"),
        ("::1", "IPv4 only"),
        ("no de:1", "'no de' is no host name"),
        (":1", "'' is no host name"),
        ("a:0", "'0' is no port"),
        ("a:65536", "'65536' is no port"),
        ("a:-1", "'-1' is no port"),
        ("a:１", "is no port"),
        ("a:1,A:1", "a:1 is named twice"),
        (",".join(f"a:{port}" for port in range(1, MAX_HOSTS + 2)), f"at most {MAX_HOSTS}"),
    ],
)
def test_a_bad_helper_is_named_with_its_key(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match="XAPP_RPC_HOSTS: ") as caught:
        load_settings({"XAPP_RPC_HOSTS": text})
    assert reason in caught.value.message


def test_a_models_own_helpers_are_checked_too(tmp_path: object) -> None:
    file = f"{tmp_path}/settings.toml"
    with open(file, "w") as out:  # noqa: PTH123
        out.write('[models.big]\nrpc_hosts = "a"\n')
    with pytest.raises(ConfigError, match=r"models\.big\.rpc_hosts: 'a'"):
        load_settings({"XAPP_CONFIG_FILE": file})


@pytest.mark.parametrize("text", ["1,x", "1,-2", "1.5", "1,,2", "123456"])
def test_a_split_is_numbers_of_layers(text: str) -> None:
    with pytest.raises(ConfigError, match=r"XAPP_RPC_SPLIT: .* is no number of layers"):
        load_settings({"XAPP_RPC_SPLIT": text})


def test_a_good_split() -> None:
    assert parse_split(" 4, 13,13") == (4, 13, 13)
    assert parse_split("") == ()


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_hosts, parse_split):
        with contextlib.suppress(ValueError):
            parse(text)
