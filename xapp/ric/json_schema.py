"""The JSON schema of a type, without references: components of a RIC put it into schemas of their own."""

from typing import Any

import msgspec

_TEMPLATE = "#/$defs/{name}"


def json_schema(of: type) -> dict[str, Any]:
    """The schema in draft 7. The type must not contain itself."""
    (schema,), components = msgspec.json.schema_components([of], ref_template=_TEMPLATE)
    whole: dict[str, Any] = _inlined(schema, components)
    return whole


def _inlined(part: Any, components: dict[str, Any]) -> Any:
    if isinstance(part, list):
        return [_inlined(each, components) for each in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _inlined(components[part["$ref"].rpartition("/")[2]], components)
    return {key: _inlined(value, components) for key, value in part.items()}
