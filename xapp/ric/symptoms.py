"""The attachment of a fault report: a zip of status, settings and metrics.

It has no prompt, no answer, and nothing of the environment but this service's own settings.
"""

import io
import json
import zipfile
from dataclasses import asdict
from typing import Any

import msgspec

from xapp.config import Settings
from xapp.domain.service import Service
from xapp.version import installed_version


def symptom_zip(service: Service, settings: Settings, exposition: bytes, ric: dict[str, object]) -> bytes:
    """The archive: status.json, settings.json, metrics.txt."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("status.json", _json(_status(service) | {"ric": ric}))
        archive.writestr("settings.json", _json(msgspec.to_builtins(settings)))
        archive.writestr("metrics.txt", exposition)
    return buffer.getvalue()


def _status(service: Service) -> dict[str, Any]:
    models = [msgspec.to_builtins(asdict(status)) for status in service.list_models()]
    return {"version": installed_version(), "ready": service.ready, "models": models}


def _json(value: Any) -> str:
    return json.dumps(value, indent=2)
