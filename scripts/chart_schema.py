"""Writes the server's settings into the chart's schema, so that Helm itself refuses a bad one.

python -m scripts.chart_schema            write them
python -m scripts.chart_schema --check    exit 1 when they are not those of this tree
"""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from xapp.config import Settings

SCHEMA = Path(__file__).resolve().parent.parent / "helm" / "genai-xapp" / "values.schema.json"
# The chart sets these itself: its own values and the pod depend on them.
OWN = frozenset(
    {
        *("models_dir", "host", "grpc_port", "http_port", "node_name", "tasks_dir", "grace_period_s"),
        *("tls_cert", "tls_key", "tls_client_ca", "http_tls", "tokens_file", "policy_file"),
    }
)


def settings_schema() -> dict[str, Any]:
    """Every setting that `settings` of the values may have."""
    (_, components) = msgspec.json.schema_components([Settings])
    fields = components[Settings.__name__]["properties"]
    properties = {name: field for name, field in fields.items() if name not in OWN}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def updated(text: str) -> str:
    """The schema's text with the settings of this tree."""
    schema = json.loads(text)
    schema["properties"]["settings"] = settings_schema()
    return json.dumps(schema, indent=2) + "\n"


def main() -> None:
    """Writes or checks."""
    text = SCHEMA.read_text()
    if text == updated(text):
        return
    if "--check" in sys.argv[1:]:
        sys.exit(
            f"{SCHEMA.name} has other settings than xapp/config.py: run 'python -m scripts.chart_schema'"
        )
    SCHEMA.write_text(updated(text))


if __name__ == "__main__":
    main()
