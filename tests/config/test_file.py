"""The settings file: tables and keys that there are, each refusal by the full name."""

from pathlib import Path

import pytest

from tests.config.files import refused, settings_file
from xapp.config import load_settings


@pytest.mark.parametrize(
    ("content", "key", "near"),
    [
        ("slotz = 4\n", "slotz", "slots"),
        ("[engine]\nslotz = 4\n", "engine.slotz", "engine.slots"),
        ("[enigne]\nslots = 4\n", "[enigne]", "engine"),
        ("[server]\nslots = 4\n", "server.slots", "engine.slots"),
        ("[tls]\ntls_cert = 'a'\n", "tls.tls_cert", "tls.cert"),
        ("[log.levle]\n", "log.levle", "log.level"),
        ("[zzzzzz]\n", "[zzzzzz]", ""),
    ],
)
def test_an_unknown_table_or_key_is_refused_by_its_full_name(
    tmp_path: Path, content: str, key: str, near: str
) -> None:
    environ = settings_file(tmp_path, content)
    error = refused(environ)
    assert error.key == key
    assert f"(in {environ['XAPP_CONFIG_FILE']})" in error.message
    assert error.message.endswith(f"; did you mean {near}?") == bool(near)


def test_one_setting_in_both_spellings_is_refused(tmp_path: Path) -> None:
    error = refused(settings_file(tmp_path, "slots = 4\n[engine]\nslots = 4\n"))
    assert error.message.startswith("engine.slots: [engine] slots and slots are one setting: keep one")


def test_a_table_is_no_value(tmp_path: Path) -> None:
    assert "write [engine] above its keys" in refused(settings_file(tmp_path, "engine = 4\n")).message


@pytest.mark.parametrize("content", ["slots: 4\n", "slots = \n", b"\xff\xfe"])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, content: str | bytes) -> None:
    environ = settings_file(tmp_path, content)
    error = refused(environ)
    assert error.message.startswith(f"XAPP_CONFIG_FILE: {environ['XAPP_CONFIG_FILE']} is not TOML: ")


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    marked = "[engine]\nslots = 4\n".encode("utf-8-sig")
    assert load_settings(settings_file(tmp_path, marked)).engine.slots == 4


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    message = f"XAPP_CONFIG_FILE: cannot read {missing}: No such file or directory"
    assert refused({"XAPP_CONFIG_FILE": str(missing)}).message == message
    assert "Is a directory" in refused({"XAPP_CONFIG_FILE": str(tmp_path)}).message
