"""Scopes: groups of requests that share computations, which are prefixes and joined answers.

Without authentication all requests are in one scope. With authentication each principal has a scope of its
own, or that of its group, so that the time of an answer reveals nothing about other principals' requests.
The common beginning of a task's prompts belongs to the operator. It is in the task's scope, which the
requests of that task use in addition to their own scope.
"""

EVERYBODY = ""


def of_principal(name: str) -> str:
    """The scope of a principal without a group."""
    return f"principal {name}"


def of_group(name: str) -> str:
    """The scope of all principals of a group."""
    return f"group {name}"


def of_task(name: str) -> str:
    """The scope of the common beginning of a task's prompts, for all versions of the task."""
    return f"task {name}"
