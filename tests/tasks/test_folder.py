"""A folder of task files, as a ConfigMap is mounted."""

import os
from pathlib import Path

import pytest

from tests.tasks.test_parse import GENERATE, SCORE
from xapp.errors import ConfigError
from xapp.tasks.folder import MAX_FILE_BYTES, MAX_FILES, read_folder, read_tasks, shipped_dir


def mount(folder: Path, revision: str, files: dict[str, str]) -> None:
    """As the kubelet does it: links to `..data`, which is a link to the revision."""
    body = folder / f"..{revision}"
    body.mkdir()
    for name, text in files.items():
        (body / name).write_text(text)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path("..data") / name)
    (folder / "..new").symlink_to(body.name)
    (folder / "..new").rename(folder / "..data")


def test_tasks_come_sorted_by_name_and_version(tmp_path: Path) -> None:
    for version in (10, 9):
        (tmp_path / f"{version}.yaml").write_text(GENERATE.replace("version: 2", f"version: {version}"))
    (tmp_path / "b.yml").write_text(SCORE)
    (tmp_path / "notes.txt").write_text("no task")
    labels = [task.label for task in read_tasks(read_folder(tmp_path))]
    assert labels == ["class@1", "triage@9", "triage@10"]


def test_two_files_of_one_version_are_both_named(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(GENERATE)
    (tmp_path / "two.yaml").write_text(GENERATE)
    with pytest.raises(ConfigError, match=r"two\.yaml: version: triage@2 is in one\.yaml as well"):
        read_tasks(read_folder(tmp_path))


def test_a_swap_of_the_mounted_folder_is_another_digest(tmp_path: Path) -> None:
    mount(tmp_path, "1", {"t.yaml": GENERATE})
    first = read_folder(tmp_path)
    assert first.digest == read_folder(tmp_path).digest
    mount(tmp_path, "2", {"t.yaml": GENERATE.replace("version: 2", "version: 3")})
    second = read_folder(tmp_path)
    assert second.digest != first.digest
    assert [task.label for task in read_tasks(second)] == ["triage@3"]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"XAPP_TASKS_DIR: cannot read .*missing"):
        read_folder(tmp_path / "missing")
    (tmp_path / "dangling.yaml").symlink_to("nowhere")
    with pytest.raises(ConfigError, match=r"XAPP_TASKS_DIR: cannot read .*dangling\.yaml"):
        read_folder(tmp_path)


def test_a_pipe_that_nobody_writes_to_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    with pytest.raises(ConfigError, match=r"a\.yaml: it is no file"):
        read_folder(tmp_path)


def test_files_are_bounded(tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(ConfigError, match=r"big\.yaml: is larger"):
        read_folder(tmp_path)
    for number in range(MAX_FILES):
        (tmp_path / f"{number}.yaml").touch()
    with pytest.raises(ConfigError, match="257 task files"):
        read_folder(tmp_path)


def test_bytes_that_are_no_text_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_bytes(b"name: \xff")
    with pytest.raises(ConfigError, match=r"t\.yaml: is no UTF-8"):
        read_tasks(read_folder(tmp_path))


def test_the_shipped_tasks_are_there() -> None:
    names = {task.name for task in read_tasks(read_folder(shipped_dir()))}
    assert names == {"anomaly-triage", "alarm-summary", "intent-to-a1-policy", "log-line-class"}
