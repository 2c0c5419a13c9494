from pathlib import Path

from perf.engine.memory_bandwidth import buffer_bytes, last_level_cache_bytes, read

MIB = 1024**2


def test_the_largest_cache_counts(tmp_path: Path) -> None:
    for index, size in enumerate(["32K", "1024K", "32M", "odd"]):
        folder = tmp_path / f"index{index}"
        folder.mkdir()
        (folder / "size").write_text(size + "\n")
    assert last_level_cache_bytes(tmp_path) == 32 * MIB


def test_a_kernel_that_does_not_tell(tmp_path: Path) -> None:
    assert last_level_cache_bytes(tmp_path) == 0


def test_the_buffer_is_several_caches_within_bounds() -> None:
    assert buffer_bytes(0) == 256 * MIB
    assert buffer_bytes(128 * MIB) == 512 * MIB
    assert buffer_bytes(64 * 1024 * MIB) == 2048 * MIB


def test_every_loop_reads_the_whole_buffer_on_every_thread() -> None:
    readings = read(2, MIB, passes=1)
    assert [each.loop for each in readings] == ["memchr", "dot"]
    assert all(each.threads == 2 and each.buffer_bytes == MIB for each in readings)
    assert all(each.bytes_per_second > 0 for each in readings)
