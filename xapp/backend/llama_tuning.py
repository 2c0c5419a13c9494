"""Threads and flash attention for a loaded model: as set, as measured before, or measured now."""

from functools import partial
from pathlib import Path
from typing import Any

from xapp.backend import llama_trial
from xapp.backend.base import DecodeError
from xapp.backend.llama_model import ContextParams, can_share_prefixes
from xapp.backend.llama_trial import trial
from xapp.backend.native import llama
from xapp.backend.sizing import Node, Sizing
from xapp.backend.tuning import choices, tune, untuned
from xapp.backend.tuning_cache import TuningCache
from xapp.config import EngineSettings
from xapp.engine.messages import Tuning, TuningSource
from xapp.errors import ModelError


def tuned(model: Any, path: str, settings: EngineSettings, node: Node, sizing: Sizing) -> Tuning:
    """What `path`, loaded as `model`, should run with. The rule where it cannot be measured."""
    options = choices(settings, node, sizing)
    if not options.open:
        return untuned(options, TuningSource.SET)
    if not can_share_prefixes(model):  # nor can its cache be filled by copying
        return untuned(options, TuningSource.UNSUPPORTED)
    cache = TuningCache(Path(path), sizing.kv_type, options, _build(settings.gpu_layers))
    if (known := cache.read()) is not None:
        return known
    try:
        found = tune(options, partial(_trial, model, path, sizing))
    except (ModelError, DecodeError):
        return untuned(options, TuningSource.UNSUPPORTED)
    if found.source is TuningSource.MEASURED:
        cache.write(found)
    return found


def _trial(model: Any, path: str, sizing: Sizing, flash_attention: bool) -> Any:
    params = ContextParams(
        cells=llama_trial.CELLS,
        sequences=llama_trial.STREAMS + 1,
        outputs=llama_trial.STREAMS + 1,
        batch=llama_trial.PIECE,
        threads=sizing.threads,
        kv_type=sizing.kv_type,
        flash_attention=flash_attention,
    )
    return trial(model, params, path)


def _build(gpu_layers: int) -> str:
    """What of the backend decides how fast it is: the CPU features it was built for, and its version."""
    features: bytes = llama.llama_print_system_info()
    library = Path(llama._lib._name).stat()  # the build's size and time stand for its version
    return f"{features.decode(errors='replace')} {library.st_size} {library.st_mtime_ns} {gpu_layers}"
