"""The version that is installed."""

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """Semver, for instance "0.1.0"; "0.0.0" when the package runs from a tree that is not installed."""
    try:
        return version("genai-xapp")
    except PackageNotFoundError:
        return "0.0.0"
