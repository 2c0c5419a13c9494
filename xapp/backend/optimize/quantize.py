"""Writes a model file in another format with llama.cpp's quantizer. Runs in a child process."""

import ctypes
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from xapp.backend.load_error import check_readable
from xapp.backend.native import captured_errors, captured_remarks, llama
from xapp.backend.optimize.jobs import Quantize
from xapp.errors import ModelError
from xapp.models.info import ORIGIN_KEY
from xapp.models.parts import total_bytes

_SIZE = re.compile(r"(model|quant) size\s*=\s*([\d.]+) MiB")
_SLACK_BYTES = 64 * 1024
"""Allowance for the growth of the metadata and for rounding."""
_PLACE = re.compile(r"^\w+: (?:failed to quantize: )?")
"""The prefix of a message: the C function that logged it."""


def predicted_bytes(source: str, file_type: int) -> int:
    """Size of the file in that format, to within 64 KiB above. Raises ModelError."""
    params = _params(file_type)
    params.dry_run = True
    with captured_remarks() as lines:
        code = _run(source, os.devnull, params)
    if code != 0:
        raise _refused(source, params)
    sizes = _sizes(lines)
    return total_bytes(Path(source)) + int((sizes["quant"] - sizes["model"]) * 2**20) + _SLACK_BYTES


def _sizes(lines: Iterable[str]) -> dict[str, float]:
    """MiB of all weights now (`model`) and afterwards (`quant`), from the quantizer's log."""
    found = {match[1]: float(match[2]) for line in lines if (match := _SIZE.search(line))}
    if found.keys() != {"model", "quant"}:
        raise ModelError("this llama.cpp does not tell the size of a file before it is written")
    return found


def _refused(source: str, params: Any) -> ModelError:
    """Runs again for the reason of a failure: remarks and errors cannot be captured together."""
    with captured_errors() as lines:
        _run(source, os.devnull, params)
    return _failed(source, lines)


def quantize(job: Quantize) -> int:
    """Writes the file and returns its size. Raises ModelError with the quantizer's reason."""
    params = _params(job.file_type)
    params.nthread = job.threads
    overrides = _origin(job.origin)
    params.kv_overrides = overrides
    with captured_errors() as lines:
        code = _run(job.source, job.target, params)
    if code != 0:
        raise _failed(job.source, lines)
    return Path(job.target).stat().st_size


def _params(file_type: int) -> Any:
    params = llama.llama_model_quantize_default_params()
    params.ftype = file_type
    params.allow_requantize = True
    return params


def _origin(digest: str) -> Any:
    """The metadata to set. The last entry has no key and ends it."""
    overrides = (llama.llama_model_kv_override * 2)()
    overrides[0].key, overrides[0].tag = ORIGIN_KEY.encode(), llama.LLAMA_KV_OVERRIDE_TYPE_STR
    overrides[0].value.val_str = digest.encode()
    return overrides


def _run(source: str, target: str, params: Any) -> int:
    check_readable(Path(source))
    code: int = llama.llama_model_quantize(os.fsencode(source), os.fsencode(target), ctypes.byref(params))
    return code


def _failed(source: str, lines: Iterable[str]) -> ModelError:
    reasons = [_PLACE.sub("", line) for line in lines]
    return ModelError(
        f"{source}: llama.cpp cannot quantize it: {reasons[-1] if reasons else 'it says nothing'}"
    )
