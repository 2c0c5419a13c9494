"""The models folder: its models, and the meaning of a name."""

import os
from dataclasses import dataclass
from pathlib import Path

from xapp.errors import ModelError, NotFound
from xapp.models.catalogue import Entry, catalogue, entries_by_file
from xapp.models.digest import record_of
from xapp.models.hub_names import PREFIX, read_hub_name
from xapp.models.parts import SUFFIX, is_later_part, model_name
from xapp.near import did_you_mean

MAX_SHOWN_CHARS = 256


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file on this node. `name` is its name in requests. `entry` is its entry in the catalogue."""

    name: str
    path: Path
    entry: Entry | None = None


def resolve(name_or_path: str, models_dir: Path, *, allow_path: bool = True) -> ModelFile:
    """The file of a catalogue name, of a file name in the models folder, of the hub's name, or of a path.

    `allow_path` is False for names from callers: they never reach a file elsewhere. Raises NotFound with the
    known names for an unknown name, ModelError for a file that does not exist.
    """
    if entry := catalogue().get(name_or_path):
        return _of_entry(entry, models_dir)
    if found := _by_file_name(name_or_path, models_dir):
        return found
    if allow_path and name_or_path.startswith(PREFIX):
        return _of_hub(name_or_path, models_dir)
    if allow_path and _looks_like_path(name_or_path):
        return _by_path(Path(name_or_path).expanduser(), models_dir)
    raise _unknown(name_or_path, models_dir)


def local_models(models_dir: Path) -> list[ModelFile]:
    """The models of the folder, sorted by name, each by its first file. A missing folder has none."""
    try:
        paths = [path for path in models_dir.iterdir() if path.suffix == SUFFIX and path.is_file()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ModelError(f"cannot read {models_dir}: {error.strerror}") from error
    shown = [path for path in paths if not path.name.startswith(".") and not is_later_part(path)]
    return sorted((_in_folder(path) for path in shown), key=lambda model: model.name)


def _in_folder(path: Path) -> ModelFile:
    entry = entries_by_file().get(path.name)
    return ModelFile(entry.name if entry else model_name(path), path, entry)


def _of_entry(entry: Entry, models_dir: Path) -> ModelFile:
    path = models_dir / entry.local_file
    if _is_file(path):
        return ModelFile(entry.name, path, entry)
    raise _not_pulled(entry.name, path, "does not exist")


def _of_hub(name: str, models_dir: Path) -> ModelFile:
    """Only a file that was pulled under this name: another repository may have a file of the same name."""
    hub = read_hub_name(name)
    path = models_dir / hub.local_file
    if not _is_file(path):
        raise _not_pulled(name, path, "does not exist")
    record = record_of(path)
    if record is None or record.source != hub.source:
        raise _not_pulled(name, path, "comes from elsewhere")
    return _in_folder(path)


def _not_pulled(name: str, path: Path, why: str) -> ModelError:
    return ModelError(
        f"{name} is not on this node: {path} {why}; fetch it with: genai-xapp models pull {name}",
        reason="MODEL_NOT_PULLED",
        metadata={"model": name, "file": str(path)},
    )


def _by_file_name(name: str, models_dir: Path) -> ModelFile | None:
    if not name or name.startswith(".") or "/" in name or os.sep in name or "\0" in name:
        return None
    candidates = (models_dir / name, models_dir / (name + SUFFIX))
    for path in candidates:
        if path.suffix == SUFFIX and _is_file(path):
            return _in_folder(path)
    # A model in several parts has the name that its parts share.
    return next((model for model in local_models(models_dir) if model.name == name), None)


def _looks_like_path(text: str) -> bool:
    return "\0" not in text and (os.sep in text or text.endswith(SUFFIX) or _is_file(Path(text)))


def _is_file(path: Path) -> bool:
    """False also for a text that the system does not accept as a name, such as one of 300 characters."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _by_path(path: Path, models_dir: Path) -> ModelFile:
    if not _is_file(path) and not os.path.exists(path):  # noqa: PTH110  Path.exists raises for odd names
        raise ModelError(
            f"{_shown(str(path))} does not exist", reason="NO_SUCH_FILE", metadata={"file": str(path)}
        )
    if not _is_file(path):
        raise ModelError(f"{path} is not a file", reason="NOT_GGUF", metadata={"file": str(path)})
    if path.parent.resolve() == models_dir.resolve():
        return _in_folder(path)
    return ModelFile(model_name(path), path)


def _unknown(name: str, models_dir: Path) -> NotFound:
    here = [model.name for model in local_models(models_dir)]
    known = [entry.name for entry in catalogue().values() if entry.kind.servable]
    shown = ", ".join(here) or "none"
    near = did_you_mean(name, {*here, *known})
    name = _shown(name)
    return NotFound(
        f"no model {name!r}: not in the catalogue and no file in {models_dir} (on this node: {shown}){near}",
        metadata={"model": name, "models": ",".join(here), "catalogue": ",".join(known)},
    )


def _shown(name: str) -> str:
    return name if len(name) <= MAX_SHOWN_CHARS else f"{name[:MAX_SHOWN_CHARS]}…"
