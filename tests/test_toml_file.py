"""Whatever a file has that a setting names, the error names the setting and the file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from xapp.admission.quota import parse_quotas
from xapp.config import load_settings
from xapp.errors import ConfigError
from xapp.security.policy import read_policy
from xapp.security.tokens import read_tokens
from xapp.toml_file import MAX_FILE_BYTES, read_toml

READERS: dict[str, Callable[[Path], object]] = {
    "XAPP_CONFIG_FILE": lambda path: load_settings({"XAPP_CONFIG_FILE": str(path)}),
    "XAPP_QUOTAS": lambda path: parse_quotas(str(path)),
    "XAPP_TOKENS_FILE": read_tokens,
    "XAPP_POLICY_FILE": read_policy,
}
CONTENTS = {
    "is not TOML": b"a = ",
    "it is not UTF-8": b"a = '\xff'",
    "nests too deep": b"a = " + b"[" * 100_000,
    "is not TOML: Exceeds": b"a = " + b"9" * 100_000,
    "a name of more than 32 parts (at line 2)": b"\n[" + b"a . 'b'." * 100_000 + b"c]",
    "is larger than": b"#" * (MAX_FILE_BYTES + 1),
}


def test_dots_within_values_are_no_parts_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "file.toml"
    path.write_text(f"a.b.'c' = [{', '.join(['1.5', repr('10.0.0.1')] * 20)}]")
    assert len(read_toml("K", path)["a"]["b"]["c"]) == 40


@pytest.mark.parametrize("key", READERS)
@pytest.mark.parametrize("fault", CONTENTS)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, key: str, fault: str) -> None:
    path = tmp_path / "file.toml"
    path.write_bytes(CONTENTS[fault])
    with pytest.raises(ConfigError) as caught:
        READERS[key](path)
    assert key in caught.value.message
    assert str(path) in caught.value.message
    assert fault in caught.value.message
