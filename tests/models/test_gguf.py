import importlib.util
import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.models.gguf_file import F32, LLAMA, Q4_1, Value, gguf_bytes, text
from xapp.domain.kinds import EMBEDDING, GENERATE, RERANKER
from xapp.errors import ModelError
from xapp.models.gguf import _BLOCKS, read_gguf_header
from xapp.models.info import GgufInfo, read_gguf

WHOLE = gguf_bytes()
in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def read(tmp_path: Path, content: bytes) -> GgufInfo:
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    return read_gguf(path)


def message(tmp_path: Path, content: bytes) -> str:
    with pytest.raises(ModelError) as caught:
        read(tmp_path, content)
    assert str(tmp_path / "m.gguf") in caught.value.message
    return caught.value.message


def test_facts_of_a_model(tmp_path: Path) -> None:
    info = read(tmp_path, WHOLE)
    assert (info.architecture, info.name, info.license) == ("llama", "Tiny", "apache-2.0")
    assert (info.context_length, info.block_count, info.n_head_kv, info.head_dim) == (2048, 4, 2, 32)
    assert info.has_chat_template
    assert info.file_size == len(WHOLE)
    assert info.geometry is not None
    assert (info.geometry.heads, info.geometry.width) == (8, 64)


def facts(tmp_path: Path, **changes: Value) -> GgufInfo:
    renamed = {f"llama.{key.replace('__', '.')}": value for key, value in changes.items()}
    return read(tmp_path, gguf_bytes(LLAMA | renamed))


def test_hybrid_model_counts_only_layers_with_kv(tmp_path: Path) -> None:
    info = facts(tmp_path, attention__head_count_kv=[0, 8, 0, 8], attention__key_length=64)
    assert (info.heads_kv, info.key_length, info.value_length) == (16, 64, 32)


def test_model_without_grouped_heads(tmp_path: Path) -> None:
    values = {key: value for key, value in LLAMA.items() if not key.endswith("head_count_kv")}
    assert read(tmp_path, gguf_bytes(values)).n_head_kv == 8


def test_what_makes_vectors_pools(tmp_path: Path) -> None:
    assert facts(tmp_path, pooling_type=1).kind is EMBEDDING
    assert facts(tmp_path, pooling_type=4).kind is RERANKER
    assert facts(tmp_path, pooling_type=0).kind is GENERATE
    assert facts(tmp_path).kind is GENERATE


def test_facts_of_the_wrong_type_are_absent(tmp_path: Path) -> None:
    info = facts(tmp_path, context_length="long", attention__head_count="many", embedding_length=0)
    assert (info.context_length, info.head_dim, info.geometry) == (None, None, None)


def test_file_without_facts(tmp_path: Path) -> None:
    info = read(tmp_path, gguf_bytes({}, tensors=(), data=0))
    assert (info.architecture, info.geometry, info.has_chat_template) == ("", None, False)


@pytest.mark.parametrize("kept", [len(WHOLE) - 1, len(WHOLE) - 1000])
def test_truncated_data_says_how_much_is_missing(tmp_path: Path, kept: int) -> None:
    assert f"is truncated: has {kept:,} of {len(WHOLE):,} bytes" in message(tmp_path, WHOLE[:kept])


def test_truncation_counts_blocks(tmp_path: Path) -> None:
    content = gguf_bytes(tensors=(("w", (64, 4), Q4_1),), data=160)
    assert read(tmp_path, content).file_size == len(content)
    assert "truncated" in message(tmp_path, content[:-1])


def test_every_cut_is_noticed(tmp_path: Path) -> None:
    for kept in range(0, len(WHOLE), 7):
        message(tmp_path, WHOLE[:kept])


def test_not_gguf(tmp_path: Path) -> None:
    assert "is not a GGUF file (starts with b'<htm')" in message(tmp_path, b"<html></html>")
    assert "is not a GGUF file (starts with b'GG')" in message(tmp_path, b"GG")
    assert "is empty" in message(tmp_path, b"")


def test_versions(tmp_path: Path) -> None:
    assert read(tmp_path, gguf_bytes(version=2)).architecture == "llama"
    assert "GGUF of version 1 is not supported" in message(tmp_path, gguf_bytes(version=1))
    big = b"GGUF" + struct.pack(">IQQ", 3, 0, 0)
    assert "GGUF of big-endian is not supported" in message(tmp_path, big)


def test_absent_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot read .*No such file"):
        read_gguf(tmp_path / "absent.gguf")
    with pytest.raises(ModelError, match=r"cannot read .*Is a directory"):
        read_gguf(tmp_path)


HUGE = struct.pack("<Q", 1 << 62)
START = b"GGUF" + struct.pack("<IQQ", 3, 0, 1)


@pytest.mark.parametrize(
    "content",
    [
        b"GGUF" + struct.pack("<IQQ", 3, 1 << 62, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 62),
        START + HUGE,
        START + text("k") + struct.pack("<I", 8) + HUGE,
        START + text("k") + struct.pack("<II", 9, 8) + HUGE,
        START + text("k") + struct.pack("<II", 9, 12) + HUGE,
        START + text("k") + struct.pack("<IIQ", 9, 9, 1),
        START + text("k") + struct.pack("<I", 99),
        gguf_bytes({"general.alignment": 33}),
        gguf_bytes({"general.alignment": "x"}),
        gguf_bytes(tensors=(("w", (1, 1, 1, 1, 1), F32),)),
        gguf_bytes(tensors=(("w", (1 << 63, 1 << 63), F32),)),
    ],
)
def test_absurd_numbers_are_refused_in_little_memory(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(ModelError):
            read_gguf(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_long_texts_and_arrays_are_skipped(tmp_path: Path) -> None:
    values: dict[str, Value] = {"long": "x" * (2 << 20), "many": [1] * 5000, "few": [1, 2]}
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf_bytes(values))
    assert read_gguf_header(path).values == {"long": None, "many": None, "few": (1, 2)}


@in_one_folder
@given(st.binary(max_size=400))
def test_garbage_after_the_magic(tmp_path: Path, garbage: bytes) -> None:
    _only_model_errors(tmp_path, b"GGUF\x03\0\0\0" + garbage)


@in_one_folder
@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=12))
def test_damage_anywhere(tmp_path: Path, where: int, damage: bytes) -> None:
    _only_model_errors(tmp_path, WHOLE[:where] + damage + WHOLE[where + len(damage) :])


def _only_model_errors(tmp_path: Path, content: bytes) -> None:
    try:
        info = read(tmp_path, content)
    except ModelError:
        return
    assert info.file_size == len(content)


def test_block_sizes_are_those_of_the_library() -> None:
    ctypes = pytest.importorskip("ctypes")
    # Found, not imported: once the backend was imported, `llama_cpp` is a bare package without a file.
    spec = importlib.util.find_spec("llama_cpp")
    if spec is None or spec.origin is None:
        pytest.skip("llama_cpp is not installed")
    folder = Path(spec.origin).parent / "lib"
    library = ctypes.CDLL(str(next(folder.glob("libggml-base.*"))))
    library.ggml_type_size.restype = ctypes.c_size_t
    library.ggml_blck_size.restype = ctypes.c_int64
    for kind, sizes in _BLOCKS.items():
        assert (library.ggml_blck_size(kind), library.ggml_type_size(kind)) == sizes, kind
