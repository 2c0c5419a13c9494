"""A wrong setting of the upstream stops the start and names its key."""

from pathlib import Path
from typing import Any

import pytest

from xapp.config import UpstreamSettings, load_settings
from xapp.errors import ConfigError
from xapp.routing.make_upstream import check_upstream, make_upstream

HTTPS: dict[str, Any] = {"kind": "openai", "target": "https://there/v1", "model": "m"}


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"kind": "genai-xapp"}, "TARGET"),
        ({"target": "there:50051"}, "KIND"),
        ({"kind": "openai", "target": "https://there/v1"}, "MODEL"),
        ({**HTTPS, "signal": "classifier"}, "CLASSIFIER"),
        ({**HTTPS, "signal": "hidden_state"}, "PROBE"),
    ],
)
def test_settings_that_clash(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=f"XAPP_UPSTREAM_{key}: "):
        check_upstream(UpstreamSettings(**settings))


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({**HTTPS, "target": "there"}, "TARGET"),
        ({**HTTPS, "target": "https://name:word@there/v1"}, "TARGET"),
        ({**HTTPS, "target": "https://there/v1?key=1"}, "TARGET"),
        ({**HTTPS, "target": "http://there/v1"}, "PLAIN_TEXT"),
        ({**HTTPS, "plain_text": True}, "PLAIN_TEXT"),
        ({**HTTPS, "ca_file": "/none"}, "CA_FILE"),
        ({**HTTPS, "key_file": "/none"}, "KEY_FILE"),
        ({"kind": "genai-xapp", "target": "there:1", "ca_file": "/none"}, "CA_FILE"),
    ],
)
def test_settings_that_do_not_work(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=f"XAPP_UPSTREAM_{key}: "):
        make_upstream(UpstreamSettings(**settings))


@pytest.mark.parametrize("text", ["", " \n", "two\nlines", "ö", "x" * 9000])
def test_a_key_that_cannot_be_one_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    with pytest.raises(ConfigError, match="XAPP_UPSTREAM_KEY_FILE") as caught:
        make_upstream(UpstreamSettings(**HTTPS, key_file=str(path)))
    assert not text.strip() or text.strip() not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [{**HTTPS, "target": "http://192.0.2.1/v1"}, {"kind": "genai-xapp", "target": "192.0.2.1:50051"}],
)
def test_a_key_does_not_travel_in_plain_text(tmp_path: Path, settings: dict[str, Any]) -> None:
    path = tmp_path / "key"
    path.write_text("secret")
    with pytest.raises(ConfigError, match="XAPP_UPSTREAM_PLAIN_TEXT"):
        make_upstream(UpstreamSettings(**settings, plain_text=True, key_file=str(path)))


def test_the_settings_have_their_names() -> None:
    settings = load_settings({"XAPP_UPSTREAM_KIND": "genai-xapp", "XAPP_UPSTREAM_THRESHOLD": "0.25"})
    assert (settings.upstream.kind, settings.upstream.threshold) == ("genai-xapp", 0.25)
    with pytest.raises(ConfigError, match="XAPP_UPSTREAM_THRESHOLD"):
        load_settings({"XAPP_UPSTREAM_THRESHOLD": "2"})
