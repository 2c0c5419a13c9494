"""Scopes: within which requests share what was computed, prefixes and joined answers.

Where nobody proves who calls, everything is in one scope. Else each principal has its own, or that of its
group, so that nobody learns from the time of an answer what others asked. What all prompts of a task begin
with is the operator's: it is in the task's scope, which requests of that task read as well as their own.
"""

EVERYBODY = ""


def of_principal(name: str) -> str:
    """That of a principal that is in no group."""
    return f"principal {name}"


def of_group(name: str) -> str:
    """That of all principals of a group."""
    return f"group {name}"


def of_task(name: str) -> str:
    """That of the beginning which all prompts of a task have, whatever its version."""
    return f"task {name}"
