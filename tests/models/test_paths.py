from pathlib import Path

import pytest

from xapp.config import Settings
from xapp.folders import default_models_dir
from xapp.models import paths


def test_the_command_line_and_the_server_agree_on_the_default() -> None:
    assert str(paths.models_dir({})) == Settings().models_dir
    assert paths.models_dir({}) == Path.home() / ".cache" / "genai-xapp" / "models"


@pytest.mark.parametrize("environ", [{}, {"XAPP_MODELS_DIR": ""}])
def test_default(environ: dict[str, str]) -> None:
    assert paths.models_dir(environ) == Path(default_models_dir())


def test_home_is_expanded() -> None:
    assert paths.models_dir({"XAPP_MODELS_DIR": "~/m"}) == Path.home() / "m"


def test_cache_follows_xdg() -> None:
    assert paths.cache_dir({"XDG_CACHE_HOME": "/c"}) == Path("/c/genai-xapp")
    assert paths.cache_dir({}) == Path.home() / ".cache" / "genai-xapp"
