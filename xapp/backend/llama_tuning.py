"""Threads and flash attention for a loaded model: from the settings, the cache, or a measurement now."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from xapp.backend import llama_trial
from xapp.backend.base import DecodeError
from xapp.backend.llama_model import ContextParams, can_share_prefixes
from xapp.backend.llama_trial import trial
from xapp.backend.native import llama
from xapp.backend.rpc.place import Placement
from xapp.backend.sizing import Sizing
from xapp.backend.tuning import Choices, choices, tune, untuned
from xapp.backend.tuning_cache import TuningCache
from xapp.domain.messages import Tuning, TuningSource
from xapp.errors import ModelError


@dataclass(frozen=True, slots=True)
class Profile:
    """The measured speed of a model on this node: what is `known`, what is open, and where it is stored."""

    known: Tuning
    threads: tuple[int, ...]
    cache: TuningCache | None = None

    def remember(self, tuning: Tuning) -> None:
        """Stores measurements for the next load."""
        if self.cache is not None:
            self.cache.write(tuning)


def profile(model: Any, path: str, placed: Placement, sizing: Sizing) -> Profile:
    """The tuning for `path`, loaded as `model`. The default where it cannot be measured."""
    options = choices(placed.settings, placed.node, sizing)
    if not can_share_prefixes(model):  # then its cache cannot be filled by copies
        return Profile(untuned(options, TuningSource.UNSUPPORTED), options.threads[:1])
    if placed.offload is not None:  # to fill a helper's cache by copies takes half a million messages
        return Profile(untuned(options, TuningSource.UNSUPPORTED), options.threads[:1])
    cache = TuningCache(Path(path), sizing.kv_type, options, _build(placed.settings.gpu_layers))
    if (known := cache.read()) is not None:
        return Profile(known, options.threads, cache)
    return Profile(_measured(model, path, options, sizing), options.threads, cache)


def _measured(model: Any, path: str, options: Choices, sizing: Sizing) -> Tuning:
    if len(options.flash_attention) == 1:
        return untuned(options, TuningSource.SET)
    try:
        return tune(options, partial(_trial, model, path, sizing))
    except (ModelError, DecodeError):
        return untuned(options, TuningSource.UNSUPPORTED)


def _trial(model: Any, path: str, sizing: Sizing, flash_attention: bool) -> Any:
    params = ContextParams(
        cells=llama_trial.CELLS,
        sequences=llama_trial.STREAMS + 1,
        outputs=llama_trial.STREAMS + 1,
        batch=llama_trial.PIECE,
        threads=sizing.threads,
        threads_batch=sizing.threads,
        kv_type=sizing.kv_type,
        flash_attention=flash_attention,
    )
    return trial(model, params, path)


def _build(gpu_layers: int) -> str:
    """The properties of the backend that decide its speed: CPU features of the build, and version."""
    features: bytes = llama.llama_print_system_info()
    library = Path(llama._lib._name).stat()  # size and time of the build represent its version
    return f"{features.decode(errors='replace')} {library.st_size} {library.st_mtime_ns} {gpu_layers}"
