"""Provenance: the figures that identify what produced an answer, for comparison with another run."""

import hashlib
import struct
from collections.abc import Sequence
from typing import Protocol

from xapp.domain.answers import Provenance
from xapp.version import build


class ModelFacts(Protocol):
    """A loaded model: the digest of its file, and the digest of that file's origin, or ""."""

    digest: str
    origin: str


def provenance(model: ModelFacts, task: str, prompt: Sequence[int], seed: int) -> Provenance:
    """`task` is NAME@VERSION or "", `prompt` in tokens."""
    return Provenance(model.digest, task, prompt_hash(prompt), seed, build(), model_origin=model.origin)


def prompt_hash(tokens: Sequence[int]) -> str:
    """Hash of the token ids, each 4 bytes little-endian."""
    return _sha256(struct.pack(f"<{len(tokens)}i", *tokens))


def output_hash(text: str) -> str:
    """Hash of the text in UTF-8."""
    return _sha256(text.encode())


def _sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
