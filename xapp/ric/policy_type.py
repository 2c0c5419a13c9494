"""The A1 policy type `llm_serving`: its definition for A1, and the payloads of its instances."""

import json
from typing import Any

import msgspec

from xapp.domain.serving_policy import ServingPolicy
from xapp.ric.json_schema import json_schema

NAME = "llm_serving"
DESCRIPTION = "Who may use which language models of a node, how much of them, and how urgently."
MAX_PAYLOAD_BYTES = 64 * 1024
_MAX_ENCODINGS = 3


class PolicyError(Exception):
    """An instance is refused. The message says what is wrong and where."""


def policy_type(type_id: int) -> dict[str, Any]:
    """The body of the PUT to A1's /A1-P/v2/policytypes/TYPE_ID."""
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", **json_schema(ServingPolicy)}
    return {"name": NAME, "description": DESCRIPTION, "policy_type_id": type_id, "create_schema": schema}


def decode(text: bytes | str) -> Any:
    """Decodes JSON of bounded size. Raises PolicyError."""
    if len(text) > MAX_PAYLOAD_BYTES:
        raise PolicyError(f"is larger than {MAX_PAYLOAD_BYTES} bytes")
    try:
        found = json.loads(text)
        json.dumps(found, ensure_ascii=False).encode()
    except RecursionError as error:
        raise PolicyError("nests too deep") from error
    except UnicodeEncodeError as error:
        raise PolicyError("has half of a surrogate pair, which is no character") from error
    except ValueError as error:
        raise PolicyError(f"is not JSON: {error}") from error
    return found


def read_policy(payload: Any) -> ServingPolicy:
    """Reads a payload: an object, or a text that encodes it, as the mediator sends it. Raises PolicyError."""
    for _ in range(_MAX_ENCODINGS):
        if not isinstance(payload, str):
            break
        payload = decode(payload)
    if not isinstance(payload, dict):
        raise PolicyError("is no JSON object")
    try:
        return msgspec.convert(payload, ServingPolicy)
    except msgspec.ValidationError as error:
        raise PolicyError(str(error)) from error


def read_id(value: Any) -> int:
    """Reads the id of a policy type: a number, or a text of digits. Raises PolicyError."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 10:
        return int(value)
    raise PolicyError(f"policy_type_id: {str(value)[:40]!r} is no number")
