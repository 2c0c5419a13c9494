"""The dialect's objects of models."""

from typing import Any

from xapp.domain.states import ModelState, ModelStatus

OWNER = "genai-xapp"


def model(status: ModelStatus, created: int) -> dict[str, Any]:
    """One model. `created` is when the node started, since a file does not tell when its model was made."""
    found: dict[str, Any] = {"id": status.name, "object": "model", "created": created, "owned_by": OWNER}
    if status.info is not None:
        found["context_length"] = status.info.context_length
    return found | {"is_default": status.is_default}


def answers(status: ModelStatus) -> bool:
    """Whether requests may name the model now."""
    return status.state is ModelState.READY
