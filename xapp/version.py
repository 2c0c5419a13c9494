"""The version that is installed."""

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """Semver, for instance "0.1.0"; "0.0.0" when the package runs from a tree that is not installed."""
    try:
        return version("genai-xapp")
    except PackageNotFoundError:
        return "0.0.0"


@lru_cache(maxsize=1)
def build() -> str:
    """The project's version and llama.cpp's binding's."""
    try:
        binding = version("llama_cpp_python")
    except PackageNotFoundError:
        binding = "none"
    return f"genai-xapp {installed_version()}, llama-cpp-python {binding}"
