"""How to install the parts that the base package lacks."""


def how_to_add(extras: str) -> str:
    """The command to type. The package is on no index: it is installed from its sources."""
    return f"pip install '.[{extras}]' in the folder of the project's sources"
