"""What made an answer, in figures that another run can be held against."""

import hashlib
import struct
from collections.abc import Sequence

from xapp.service.types import Provenance
from xapp.version import build


def provenance(digest: str, task: str, prompt: Sequence[int], seed: int) -> Provenance:
    """`digest` is the model's, `task` NAME@VERSION or "", `prompt` in tokens."""
    return Provenance(digest, task, prompt_hash(prompt), seed, build())


def prompt_hash(tokens: Sequence[int]) -> str:
    """Of the ids, each 4 bytes little-endian."""
    return _sha256(struct.pack(f"<{len(tokens)}i", *tokens))


def output_hash(text: str) -> str:
    """Of the text in UTF-8."""
    return _sha256(text.encode())


def _sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
