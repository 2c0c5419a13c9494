import json
import logging

import pytest
from click.testing import CliRunner

from xapp.cli.serve import serve
from xapp.config import KEYS


def test_help_names_every_setting() -> None:
    text = CliRunner().invoke(serve, ["--help"]).output
    for key in KEYS:
        assert f"  {key.name} " in text
        assert key.variable in text


@pytest.mark.parametrize(
    ("key", "value"), [("XAPP_SLOTS", "0"), ("XAPP_GRPC_PORT", "70000"), ("XAPP_KV_TYPE", "q1")]
)
def test_a_bad_setting_names_its_key(key: str, value: str) -> None:
    result = CliRunner().invoke(serve, [], env={key: value})
    assert result.exit_code == 2
    assert result.stderr.startswith(f"genai-xapp: {key}: ")


def test_an_option_is_checked_as_its_setting() -> None:
    result = CliRunner().invoke(serve, ["--slots", "1000"])
    assert result.exit_code == 2
    assert result.stderr.startswith("genai-xapp: XAPP_SLOTS: ")


def test_an_unknown_key_is_a_warning_that_names_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xapp.cli.serve._run", lambda settings: 0)
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    try:
        result = CliRunner().invoke(serve, [], env={"XAPP_SLOTZ": "3"})
    finally:
        logging.captureWarnings(False)
    assert result.exit_code == 0
    (record,) = [json.loads(line) for line in result.stderr.splitlines()]
    assert (record["level"], record["key"], record["nearest"]) == ("warning", "XAPP_SLOTZ", "XAPP_SLOTS")
    assert record["msg"] == "XAPP_SLOTZ: no such setting; did you mean XAPP_SLOTS?"
