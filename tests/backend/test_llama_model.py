"""What a file says about itself, against llama.cpp's load."""

import struct
from pathlib import Path

import pytest

from tests.models.gguf_file import text
from xapp.backend.llama_model import load_model
from xapp.errors import ModelError

KEY = text("llama.context_length") + struct.pack("<I", 4)


@pytest.mark.slow
@pytest.mark.parametrize("length", [0, 2**31, 2**32 - 1])
def test_a_context_length_that_is_none_is_named(
    shallow_model_path: Path, tmp_path: Path, length: int
) -> None:
    data = bytearray(shallow_model_path.read_bytes())
    at = data.index(KEY) + len(KEY)
    data[at : at + 4] = struct.pack("<I", length)
    file = tmp_path / "corrupt.gguf"
    file.write_bytes(data)
    with pytest.raises(ModelError, match=f"corrupt.gguf is corrupt: its context_length is {length:,} tokens"):
        load_model(str(file), 0, lambda _: None)
