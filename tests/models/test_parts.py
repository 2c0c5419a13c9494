"""Models in several files: pulled, found, checked, served and removed as one."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.models.conftest import Seen
from tests.models.gguf_file import LLAMA, gguf_bytes
from tests.models.gguf_split import split
from tests.models.hub_stand_in import COMMIT, StandIn
from xapp.backend.llama_load import load
from xapp.backend.sizing import Node
from xapp.backend.vocab import Vocab
from xapp.config import EngineSettings, ModelSettings
from xapp.errors import ModelError
from xapp.models import parts
from xapp.models.catalogue import Entry
from xapp.models.digest import digest_of, record_of
from xapp.models.landing import Pulled
from xapp.models.store import ModelFile, local_models, resolve
from xapp.models.verify import Verdict, verify
from xapp.service.dependencies import memory_need
from xapp.service.kinds import check_loadable

Pull = Callable[..., Pulled]
NAMES = [f"big-{number:05d}-of-00003.gguf" for number in (1, 2, 3)]
BODIES = [gguf_bytes(LLAMA if index == 0 else {}, data=2000 + 700 * index) for index in range(3)]
HUB_NAME = f"hf:owner/big-GGUF/{NAMES[0]}"


@pytest.fixture
def split_hub(hub: StandIn) -> StandIn:
    hub.files |= {f"owner/big-GGUF/{name}": body for name, body in zip(NAMES, BODIES, strict=True)}
    return hub


@pytest.fixture
def filled(folder: Path) -> Path:
    folder.mkdir()
    for name, body in zip(NAMES, BODIES, strict=True):
        (folder / name).write_bytes(body)
    return folder


@pytest.mark.parametrize(
    "name",
    ["big.gguf", "big-00001-of-00000.gguf", "big-00004-of-00003.gguf", "big-1-of-3.gguf", "x-of-3.gguf"],
)
def test_names_that_are_no_parts(name: str) -> None:
    assert parts.part_of(name) is None
    assert parts.all_parts(Path(name)) == [Path(name)]
    assert parts.model_name(Path(name)) == Path(name).stem


@pytest.mark.parametrize("asked", NAMES)
def test_one_pull_fetches_and_checks_all_parts(
    pull_it: Pull, split_hub: StandIn, folder: Path, asked: str
) -> None:
    pulled = pull_it(f"hf:owner/big-GGUF/{asked}")
    assert [(folder / name).read_bytes() for name in NAMES] == BODIES
    records = [record_of(folder / name) for name in NAMES]
    assert [record and record.revision for record in records] == [COMMIT] * 3
    assert pulled.model == ModelFile("big", folder / NAMES[0])
    assert pulled.record.size == sum(map(len, BODIES))
    assert pulled.record.digest == parts.model_digest(folder / NAMES[0])
    assert not pulled.was_there
    split_hub.log.clear()
    assert pull_it(f"hf:owner/big-GGUF/{asked}").was_there
    assert not split_hub.log


def test_a_cut_pull_goes_on_and_shows_no_model_before(
    pull_it: Pull, split_hub: StandIn, folder: Path, seen: Seen
) -> None:
    del split_hub.files[f"owner/big-GGUF/{NAMES[0]}"]
    with pytest.raises(ModelError, match=NAMES[0]):
        pull_it(HUB_NAME)
    assert local_models(folder) == []
    split_hub.files[f"owner/big-GGUF/{NAMES[0]}"] = BODIES[0]
    split_hub.log.clear()
    assert not pull_it(HUB_NAME).was_there
    assert [path.rpartition("/")[2] for method, path, _ in split_hub.log if method == "GET"] == [NAMES[0]]


def test_a_part_with_another_hash_is_refused(pull_it: Pull, split_hub: StandIn, folder: Path) -> None:
    split_hub.stated_hash = hashlib.sha256(b"another").hexdigest()
    with pytest.raises(ModelError, match=NAMES[1]) as caught:
        pull_it(HUB_NAME)
    assert caught.value.reason == "WRONG_HASH"
    assert list(folder.iterdir()) == []


def test_a_catalogue_entry_may_be_split(
    pull_it: Pull, split_hub: StandIn, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = Entry("big-model", NAMES[0], repo="owner/big-GGUF", sha256=hashlib.sha256(BODIES[0]).hexdigest())
    monkeypatch.setattr("xapp.models.pull.catalogue", lambda: {"big-model": entry})
    pulled = pull_it("big-model")
    assert pulled.model == ModelFile("big-model", folder / NAMES[0], entry)
    assert pulled.notes == ()
    assert all((folder / name).is_file() for name in NAMES)


def test_the_folder_has_it_once(filled: Path) -> None:
    whole = ModelFile("big", filled / NAMES[0])
    assert local_models(filled) == [whole]
    assert (
        resolve("big", filled)
        == resolve(NAMES[0], filled)
        == resolve(str(filled / NAMES[0]), filled)
        == whole
    )


def test_the_digest_covers_every_part(filled: Path) -> None:
    before = parts.model_digest(filled / NAMES[0])
    assert before != digest_of(filled / NAMES[0])
    (filled / NAMES[2]).write_bytes(BODIES[2] + b"x")
    assert parts.model_digest(filled / NAMES[0]) != before


def test_progress_counts_all_parts(filled: Path) -> None:
    told: list[int] = []
    parts.model_digest(filled / NAMES[0], told.append)
    assert told == sorted(told)
    assert told[-1] == parts.total_bytes(filled / NAMES[0]) == sum(map(len, BODIES))
    assert memory_need(filled / NAMES[0], ModelSettings()).weights_bytes == told[-1]


def test_a_missing_part_is_named(filled: Path) -> None:
    (filled / NAMES[1]).unlink()
    model = resolve("big", filled)
    with pytest.raises(ModelError, match=f"{NAMES[1]} is missing"):
        check_loadable(model, ModelSettings())
    with pytest.raises(ModelError, match=f"{NAMES[1]} is missing"):
        memory_need(model.path, ModelSettings())
    check = verify(model)
    assert check.verdict is Verdict.BROKEN
    assert NAMES[1] in check.detail


def test_a_later_part_is_no_model(filled: Path) -> None:
    with pytest.raises(ModelError, match=f"name the first, {NAMES[0]}"):
        check_loadable(resolve(str(filled / NAMES[1]), filled), ModelSettings())


def test_verify_names_the_part_that_differs(pull_it: Pull, split_hub: StandIn, folder: Path) -> None:
    pull_it(HUB_NAME)
    model = resolve("big", folder)
    assert verify(model).verdict is Verdict.OK
    (folder / NAMES[2]).write_bytes(BODIES[2] + b"x")
    check = verify(model)
    assert check.verdict is Verdict.DIFFERS
    assert NAMES[2] in check.detail


@pytest.mark.slow
def test_llama_cpp_loads_the_parts(tmp_path: Path, default_model_path: Path) -> None:
    first, *others = split(default_model_path, tmp_path, "whole", 3)
    vocab = Vocab(first)
    assert vocab.size == 49152
    vocab.close()
    settings = EngineSettings(slots=1, kv_cells=256, threads=1, flash_attention="on")
    backend = load(str(first), settings, Node(8 << 30, 1), lambda _: None)
    assert backend.info.size_bytes == parts.total_bytes(first)
    backend.close()
    others[0].unlink()
    with pytest.raises(ModelError, match=others[0].name):
        load(str(first), settings, Node(8 << 30, 1), lambda _: None)
