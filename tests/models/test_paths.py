from pathlib import Path

import pytest

from xapp.config import Settings, load_settings
from xapp.errors import ConfigError
from xapp.folders import default_models_dir
from xapp.models import paths


def test_the_command_line_and_the_server_agree_on_the_default() -> None:
    assert str(paths.models_dir({})) == Settings().node.models_dir
    assert paths.models_dir({}) == Path.home() / ".cache" / "genai-xapp" / "models"


@pytest.mark.parametrize("environ", [{}, {"XAPP_MODELS_DIR": ""}])
def test_default(environ: dict[str, str]) -> None:
    assert paths.models_dir(environ) == Path(default_models_dir())


def test_home_is_expanded() -> None:
    assert paths.models_dir({"XAPP_MODELS_DIR": "~/m"}) == Path.home() / "m"


def test_the_settings_file_counts_as_it_does_for_the_server(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('models_dir = "~/from-file"\nslots = 4\n')
    environ = {"XAPP_CONFIG_FILE": str(file)}
    assert paths.models_dir(environ) == Path(load_settings(environ).node.models_dir).expanduser()
    assert paths.models_dir(environ) == Path.home() / "from-file"
    assert paths.models_dir({**environ, "XAPP_MODELS_DIR": "/m"}) == Path("/m")
    assert paths.models_dir({**environ, "XAPP_MODELS_DIR": ""}) == Path.home() / "from-file"


@pytest.mark.parametrize(
    ("text", "key"), [("models_dir = 3", "XAPP_MODELS_DIR"), ("models_dir", "XAPP_CONFIG_FILE")]
)
def test_a_settings_file_that_is_wrong_is_told(tmp_path: Path, text: str, key: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=key):
        paths.models_dir({"XAPP_CONFIG_FILE": str(file)})


def test_cache_follows_xdg() -> None:
    assert paths.cache_dir({"XDG_CACHE_HOME": "/c"}) == Path("/c/genai-xapp")
    assert paths.cache_dir({}) == Path.home() / ".cache" / "genai-xapp"
