"""A server that a command starts for itself: the node's settings, but for what others reach the node by."""

from pathlib import Path

from xapp.config import load_settings
from xapp.config.own_server import for_a_command, started_quickly

NODE = """
slots = 3
openai_port = 8000
tls_cert = "/tls.crt"
tls_key = "/tls.key"
tokens_file = "/tokens.toml"
ric_appmgr_url = "http://appmgr"
ric_alarms_url = "http://alarms"
"""


def settings_of(folder: Path, text: str) -> dict[str, str]:
    (folder / "settings.toml").write_text(text)
    return {"XAPP_CONFIG_FILE": str(folder / "settings.toml")}


def test_nobody_but_the_command_reaches_it(tmp_path: Path) -> None:
    own = for_a_command(load_settings(settings_of(tmp_path, NODE)))
    assert not own.has_credentials
    assert (own.openai.port, own.tls.cert, own.ric.appmgr_url, own.ric.alarms_url) == (0, "", "", "")
    assert own.engine.slots == 3


def test_a_quick_start_measures_nothing_and_overrules_nobody(tmp_path: Path) -> None:
    text = '[engine]\nslots = 3\n[models.a]\nslots = 2\n[models.b]\nflash_attention = "off"\n'
    quick = started_quickly(load_settings(settings_of(tmp_path, text)))
    assert (quick.engine.flash_attention, quick.engine.slots) == ("on", 3)
    models = {name: own.engine.flash_attention for name, own in quick.models.items()}
    assert models == {"a": "on", "b": "off"}
