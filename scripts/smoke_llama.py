"""Loads a made-up model of 25 kB with the installed llama.cpp and decodes it: does the build run on this CPU?

The model's weights are quantized and large enough that the CPU's own kernels are taken, AMX included:
a build for another CPU, or a miscompiled one, dies here by a signal rather than at a user's first request.
Prints llama.cpp's system information. Exits non-zero with the reason.
"""

import ctypes
import math
import os
import struct
import sys
import tempfile
from pathlib import Path

import llama_cpp

WIDTH = 64
TOKENS = 64
ALIGNMENT = 32
F32, Q4_1 = 0, 3
_UINT32, _FLOAT32, _STRING = 4, 6, 8

# (name, shape, type): shape as GGUF has it, the contiguous dimension first.
TENSORS: list[tuple[str, tuple[int, ...], int]] = [
    ("token_embd.weight", (WIDTH, TOKENS), Q4_1),
    ("output_norm.weight", (WIDTH,), F32),
    ("output.weight", (WIDTH, TOKENS), Q4_1),
    ("blk.0.attn_norm.weight", (WIDTH,), F32),
    ("blk.0.ffn_norm.weight", (WIDTH,), F32),
    *(
        (f"blk.0.{part}.weight", (WIDTH, WIDTH), Q4_1)
        for part in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_down", "ffn_up")
    ),
]
METADATA: dict[str, int | float | str] = {
    "general.architecture": "llama",
    "llama.context_length": 64,
    "llama.embedding_length": WIDTH,
    "llama.block_count": 1,
    "llama.feed_forward_length": WIDTH,
    "llama.attention.head_count": 2,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
    "llama.rope.dimension_count": WIDTH // 2,
    "llama.vocab_size": TOKENS,
    "tokenizer.ggml.model": "no_vocab",
}


def tiny_model() -> bytes:
    """A GGUF file, version 3: a llama of one block and no vocabulary."""
    metadata = b"".join(_text(key) + _value(value) for key, value in METADATA.items())
    infos, data = b"", b""
    for name, shape, kind in TENSORS:
        infos += _text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        infos += struct.pack("<IQ", kind, len(data))
        data += _padded(_weights(math.prod(shape), kind))
    head = b"GGUF" + struct.pack("<IQQ", 3, len(TENSORS), len(METADATA))
    return _padded(head + metadata + infos) + data


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def _value(value: int | float | str) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + _text(value)
    if isinstance(value, float):
        return struct.pack("<If", _FLOAT32, value)
    return struct.pack("<II", _UINT32, value)


def _weights(count: int, kind: int) -> bytes:
    if kind == F32:
        return struct.pack("<f", 1.0) * count
    # A block of 32: scale, minimum (both half floats), 32 nibbles.
    scales = struct.pack("<ee", 0.01, -0.07)
    return b"".join(scales + _nibbles(block) for block in range(count // 32))


def _nibbles(block: int) -> bytes:
    return bytes((37 * i + 101 * block + 11) % 256 for i in range(16))


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % ALIGNMENT)


def load_variants() -> None:
    """As `xapp.backend.native` does, which is not here while an image is built."""
    library = llama_cpp.llama_cpp._lib
    library.ggml_backend_reg_count.restype = ctypes.c_size_t
    if library.ggml_backend_reg_count() == 0:
        folder = Path(llama_cpp.__file__).parent / "lib"
        library.ggml_backend_load_all_from_path(ctypes.c_char_p(os.fsencode(folder)))


def decode(path: str) -> list[float]:
    """The logits after eight tokens. Raises RuntimeError naming the call that failed."""
    load_variants()
    llama_cpp.llama_backend_init()
    model = llama_cpp.llama_model_load_from_file(path.encode(), llama_cpp.llama_model_default_params())
    if not model:
        raise RuntimeError("llama_model_load_from_file failed")
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = params.n_batch = 64
    context = llama_cpp.llama_init_from_model(model, params)
    if not context:
        raise RuntimeError("llama_init_from_model failed")
    tokens = (llama_cpp.llama_token * 8)(*range(8))
    if code := llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(tokens, 8)):
        raise RuntimeError(f"llama_decode returned {code}")
    logits = llama_cpp.llama_get_logits(context)
    return [float(logits[i]) for i in range(TOKENS)]


def main() -> None:
    """Runs the check."""
    with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
        Path(file.name).write_bytes(tiny_model())
        logits = decode(file.name)
    if not all(math.isfinite(value) for value in logits) or len(set(logits)) == 1:
        sys.exit("llama_decode gave no numbers")
    print(llama_cpp.llama_print_system_info().decode())


if __name__ == "__main__":
    main()
