"""Writes the server's settings into the chart's schema, so that Helm itself refuses a bad one.

And what the chart carries for a RIC: the schema of `controls`, and the A1 policy type.

python -m scripts.chart_schema            write them
python -m scripts.chart_schema --check    exit 1 when they are not those of this tree
"""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from xapp.config import KEYS, KEYS_OF_A_MODEL, TABLES, Key, ModelSettings, Settings
from xapp.config.models import OWN_KEYS
from xapp.domain.kinds import MODEL_KINDS
from xapp.ric.descriptor import controls_schema
from xapp.ric.policy_type import policy_type

CHART = Path(__file__).resolve().parent.parent / "helm" / "genai-xapp"
SCHEMA = CHART / "values.schema.json"
CONTROLS, POLICY_TYPE = CHART / "files" / "controls.json", CHART / "files" / "llm_serving.json"
# The chart sets these itself: its own values and the pod depend on them. Names without a table.
OWN = frozenset(
    {
        *(
            "models_dir",
            "host",
            "insecure",
            "grpc_port",
            "http_port",
            *("openai_port", "openai_hosts", "openai_origins"),
            "node_name",
            "tasks_dir",
            "grace_period_s",
        ),
        *("tls_cert", "tls_key", "tls_client_ca", "http_tls", "tokens_file", "policy_file"),
        *("ric_appmgr_url", "ric_http_endpoint", "ric_rmr_endpoint", "ric_alarms_url"),
        *("ric_policies", "ric_a1_url", "ric_policy_type", "ric_status_url"),
    }
)


def settings_schema() -> dict[str, Any]:
    """Every setting that `settings` of the values may have: tables, names without a table, models' tables."""
    fields = {key: _field(key) for key in KEYS if key.flat not in OWN}
    bare = {key.flat: field for key, field in fields.items()}
    tables = {table: _table(table, fields) for table in TABLES}
    names, own_tables = bare.pop("models"), {"type": "object", "additionalProperties": _of_a_model(fields)}
    return _closed(bare | tables | {"models": {"anyOf": [names, own_tables]}})


def _field(key: Key) -> dict[str, Any]:
    (_, components) = msgspec.json.schema_components([TABLES[key.table]])
    field: dict[str, Any] = components[TABLES[key.table].__name__]["properties"][key.name]
    return field


def _table(table: str, fields: dict[Key, dict[str, Any]]) -> dict[str, Any]:
    return _closed({key.name: field for key, field in fields.items() if key.table == table})


def _of_a_model(fields: dict[Key, dict[str, Any]]) -> dict[str, Any]:
    kind = {"enum": sorted(MODEL_KINDS)}
    (_, components) = msgspec.json.schema_components([ModelSettings])
    own = components["ModelSettings"]["properties"]
    vectors = {name: _without_default(own[name]) for name in OWN_KEYS if name != "kind"}
    engine = {key.name: _without_default(field) for key, field in fields.items() if key in KEYS_OF_A_MODEL}
    return _closed({"kind": kind} | vectors | engine)


def _without_default(field: dict[str, Any]) -> dict[str, Any]:
    """What a model's table leaves out is that of all models."""
    return {name: value for name, value in field.items() if name != "default"}


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def updated(text: str) -> str:
    """The schema's text with the settings of this tree."""
    schema = json.loads(text)
    schema["properties"]["settings"] = settings_schema()
    return json.dumps(schema, indent=2) + "\n"


def written() -> dict[Path, str]:
    """Each file with its text for this tree."""
    made = {CONTROLS: controls_schema(), POLICY_TYPE: policy_type(Settings().ric.policy_type)}
    texts = {file: json.dumps(content, indent=2) + "\n" for file, content in made.items()}
    return {SCHEMA: updated(SCHEMA.read_text()), **texts}


def main() -> None:
    """Writes or checks."""
    stale = {f: text for f, text in written().items() if not f.is_file() or f.read_text() != text}
    if stale and "--check" in sys.argv[1:]:
        names = ", ".join(file.name for file in stale)
        sys.exit(f"{names}: not of this tree's settings: run 'python -m scripts.chart_schema'")
    for file, text in stale.items():
        file.write_text(text)


if __name__ == "__main__":
    main()
