"""aiohttp's server half. `import aiohttp` brings its client as well: 4 MB and 0.05 s, the system's
certificates among them, in a process that never asks anybody.
"""

import importlib
import importlib.util
import sys
from importlib.metadata import version
from types import ModuleType
from typing import TYPE_CHECKING


def _import_server() -> ModuleType:
    """`aiohttp.web`, whose package is not run for it. Whoever imports aiohttp afterwards gets all of it."""
    spec = importlib.util.find_spec("aiohttp")
    if "aiohttp" in sys.modules or spec is None or spec.submodule_search_locations is None:
        return importlib.import_module("aiohttp.web")
    package = ModuleType("aiohttp")
    package.__path__ = list(spec.submodule_search_locations)
    package.__spec__ = spec
    package.__dict__["__version__"] = version("aiohttp")
    sys.modules["aiohttp"] = package
    try:
        return importlib.import_module("aiohttp.web")
    except ImportError:  # a version whose server needs more of its package
        _forget()
        return importlib.import_module("aiohttp.web")
    finally:
        if sys.modules.get("aiohttp") is package:
            del sys.modules["aiohttp"]


def _forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "aiohttp"]:
        del sys.modules[name]


if TYPE_CHECKING:
    from aiohttp import web
else:
    web = _import_server()

__all__ = ["web"]
