"""How the parts are installed that the base package does without."""


def how_to_add(extras: str) -> str:
    """What to type. The package is on no index: it is installed from its sources."""
    return f"pip install '.[{extras}]' in the folder of the project's sources"
