import os
from pathlib import Path

import pytest

from xapp.errors import ModelError, NotFound
from xapp.models.catalogue import catalogue
from xapp.models.digest import write_record
from xapp.models.store import local_models, resolve

QWEN = catalogue()["qwen2.5-0.5b"]


@pytest.fixture
def filled(folder: Path) -> Path:
    folder.mkdir()
    for name in (QWEN.local_file, "own.gguf", "own.gguf.json", ".own.gguf.0123.partial", "notes.txt"):
        (folder / name).write_bytes(b"GGUF")
    return folder


@pytest.mark.parametrize("name", [QWEN.name, QWEN.local_file, QWEN.local_file.removesuffix(".gguf")])
def test_a_catalogue_model_has_its_name_however_it_is_called(filled: Path, name: str) -> None:
    model = resolve(name, filled)
    assert (model.name, model.path, model.entry) == (QWEN.name, filled / QWEN.local_file, QWEN)


@pytest.mark.parametrize("name", ["own", "own.gguf"])
def test_a_file_of_the_folder(filled: Path, name: str) -> None:
    model = resolve(name, filled, allow_path=False)
    assert (model.name, model.path, model.entry) == ("own", filled / "own.gguf", None)


def test_a_path_into_the_folder_and_elsewhere(filled: Path, tmp_path: Path) -> None:
    assert resolve(str(filled / QWEN.local_file), filled).name == QWEN.name
    elsewhere = tmp_path / QWEN.local_file
    elsewhere.write_bytes(b"GGUF")
    model = resolve(str(elsewhere), filled)
    assert (model.name, model.entry) == (elsewhere.stem, None)


def test_names_from_outside_never_reach_other_files(filled: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.gguf").write_bytes(b"GGUF")
    for name in (
        str(tmp_path / "secret.gguf"),
        "../secret.gguf",
        "../secret",
        "",
        ".",
        "a\0b",
        ".own.gguf.0123.partial",
    ):
        with pytest.raises(NotFound):
            resolve(name, filled, allow_path=False)


@pytest.mark.parametrize(
    "name", ["a" * 300, "a" * 300 + ".gguf", "ä" * 200, "\udcff", "a\nb", "/" * 5000, "a/" * 3000]
)
@pytest.mark.parametrize("allow_path", [True, False])
def test_a_name_that_no_file_can_have_is_unknown(filled: Path, name: str, *, allow_path: bool) -> None:
    with pytest.raises((NotFound, ModelError)) as caught:
        resolve(name, filled, allow_path=allow_path)
    assert len(caught.value.message) < 1000


def test_unknown_name_tells_what_there_is(filled: Path) -> None:
    with pytest.raises(NotFound, match="no model 'gpt-9'") as caught:
        resolve("gpt-9", filled)
    assert caught.value.metadata["models"] == f"own,{QWEN.name}"
    assert QWEN.name in caught.value.metadata["catalogue"]


def test_a_model_not_pulled_says_how(filled: Path) -> None:
    with pytest.raises(ModelError, match="genai-xapp models pull llama-3-8b") as caught:
        resolve("llama-3-8b", filled)
    assert caught.value.reason == "MODEL_NOT_PULLED"


def test_paths_that_are_no_files(filled: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    for path in (tmp_path / "pipe.gguf", tmp_path):
        with pytest.raises(ModelError, match="is not a file"):
            resolve(str(path), filled)
    with pytest.raises(ModelError, match=r"absent.gguf does not exist"):
        resolve(str(tmp_path / "absent.gguf"), filled)


def test_local_models_are_the_gguf_files(filled: Path, tmp_path: Path) -> None:
    assert [model.name for model in local_models(filled)] == ["own", QWEN.name]
    assert local_models(tmp_path / "absent") == []
    with pytest.raises(ModelError, match="cannot read"):
        local_models(filled / "own.gguf")


def test_a_name_of_the_hub_is_the_file_that_was_pulled_under_it(folder: Path) -> None:
    folder.mkdir()
    name = "hf:owner/tiny-GGUF/q4/tiny.gguf"
    with pytest.raises(ModelError) as caught:
        resolve(name, folder)
    assert caught.value.reason == "MODEL_NOT_PULLED"
    assert f"models pull {name}" in caught.value.message
    file = folder / "q4-tiny.gguf"
    file.write_bytes(b"GGUF")
    with pytest.raises(ModelError, match="comes from elsewhere"):
        resolve(name, folder)
    write_record(file, f"sha256:{0:064}", source=name)
    assert resolve(name, folder).path == file
    with pytest.raises(ModelError, match="comes from elsewhere"):
        resolve("hf:other/tiny-GGUF/q4/tiny.gguf", folder)


@pytest.mark.parametrize(
    "name", ["hf:", "hf:owner/tiny.gguf", "hf:a/b/../c.gguf", "hf:a/b/c", "hf:a/b/\x1b.gguf"]
)
def test_what_no_file_of_the_hub_can_be_called(folder: Path, name: str) -> None:
    with pytest.raises(ModelError, match="OWNER/REPOSITORY/FILE"):
        resolve(name, folder)


def test_an_unknown_name_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "traffic-planner.gguf").touch()
    for name, meant in (("qwen2.5-05b", "qwen2.5-0.5b"), ("traffic-planer", "traffic-planner")):
        with pytest.raises(NotFound, match=f"; did you mean {meant}\\?"):
            resolve(name, tmp_path)
