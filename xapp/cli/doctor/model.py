"""Checks of the model: the file, its folder, and the memory that it needs."""

import os
import shutil
from pathlib import Path

from xapp.backend.rpc.plan import own_bytes
from xapp.cli.doctor.finding import Finding, fail, good, warn
from xapp.config import Settings
from xapp.errors import XappError
from xapp.models.store import resolve
from xapp.models.verify import Verdict, verify
from xapp.served.dependencies import ask_helpers, available_bytes, memory_need

_MIB = 1024 * 1024
_LITTLE_ROOM = 1 << 30


def check_folder(settings: Settings) -> Finding:
    """Whether models can be put into their folder."""
    folder = Path(settings.node.models_dir).expanduser()
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        advice = f"give this user the folder, or set XAPP_MODELS_DIR: chown {os.geteuid()} {there}"
        return warn("folder", f"{there} cannot be written: no model can be pulled", advice)
    free = shutil.disk_usage(there).free
    if free < _LITTLE_ROOM:
        return warn("folder", f"{folder} has {free // _MIB} MiB free", "make room, or set XAPP_MODELS_DIR")
    return good("folder", f"{folder}, {free // _MIB} MiB free")


def check_model(settings: Settings) -> Finding:
    """Whether the file is here, whole, and what it was when it was fetched."""
    try:
        file = resolve(settings.node.model, Path(settings.node.models_dir).expanduser())
    except XappError as error:
        return fail("model", error.message, f"genai-xapp models pull {settings.node.model}")
    check = verify(file)
    if check.verdict in (Verdict.BROKEN, Verdict.DIFFERS):
        return fail(
            "model", f"{file.path}: {check.detail}", f"genai-xapp models rm {file.name}, then pull it"
        )
    return good("model", f"{file.name}, {file.path}")


def check_memory(settings: Settings) -> Finding:
    """Whether the model fits into what is free here, within the limit, and at its helpers."""
    try:
        file = resolve(settings.node.model, Path(settings.node.models_dir).expanduser())
        own = settings.of_model(file.name)
        need = memory_need(file.path, own).total_bytes
        hosts = ask_helpers(own.engine)
    except XappError as error:
        return warn("memory", f"not known: {error.message}", "see the other findings")
    here = own_bytes(own.engine, available_bytes())
    free = here + hosts.room_bytes
    text = f"{file.name} needs {need // _MIB} MiB at least, {free // _MIB} MiB are available"
    if hosts.states:
        text += f", {hosts.room_bytes // _MIB} MiB of them at helpers"
    if need > free:
        advice = "choose a smaller model, set XAPP_CONTEXT_LENGTH lower, or end other programs"
        return fail("memory", text, advice)
    return good("memory", text)
