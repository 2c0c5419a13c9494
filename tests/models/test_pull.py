import errno
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import FileIO
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.disk import small_disk_of
from tests.models.conftest import CONTENT, FILE, NAME, Seen
from tests.models.hub_stand_in import COMMIT, StandIn, serving
from xapp.errors import ModelError, NotFound
from xapp.models.digest import digest_of, record_of, sidecar
from xapp.models.landing import Pulled, leftovers
from xapp.models.pull import pull
from xapp.models.transfer import Backoff, one_at_a_time

Pull = Callable[..., Pulled]
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def partial(folder: Path) -> Path:
    return folder / f".{FILE}.{SHA256[:16]}.partial"


def test_file_lands_whole_with_its_record(pull_it: Pull, folder: Path, seen: Seen) -> None:
    pulled = pull_it()
    assert (folder / FILE).read_bytes() == CONTENT
    assert names(folder) == [FILE, FILE + ".json"]
    assert pulled.record.digest == digest_of(folder / FILE) == f"sha256:{SHA256}"
    assert (pulled.record.source, pulled.record.revision) == (NAME, COMMIT)
    assert not pulled.was_there
    assert ("fetching", len(CONTENT), len(CONTENT)) in seen.updates
    assert seen.updates[-1] == ("checking", len(CONTENT), len(CONTENT))


def test_second_pull_asks_nobody(pull_it: Pull, hub: StandIn) -> None:
    pull_it()
    hub.log.clear()
    assert pull_it().was_there
    assert hub.log == []


def test_a_model_that_is_there_needs_no_lock(pull_it: Pull, monkeypatch: pytest.MonkeyPatch) -> None:
    pull_it()
    monkeypatch.setattr("xapp.models.transfer.os.open", None)
    assert pull_it().was_there
    with pytest.raises(TypeError):
        pull_it(revision="main")


def test_another_revision_asks_the_hub(pull_it: Pull, hub: StandIn) -> None:
    pull_it()
    hub.log.clear()
    assert pull_it(revision=COMMIT).was_there
    assert hub.log == []
    assert pull_it(revision="main").was_there
    assert [method for method, _, _ in hub.log] == ["HEAD"]


def test_drops_are_resumed_where_they_happened(pull_it: Pull, hub: StandIn, folder: Path, seen: Seen) -> None:
    hub.drop_after = [100_000, 50_000]
    pull_it()
    assert (folder / FILE).read_bytes() == CONTENT
    assert hub.gets() == ["", "bytes=100000-", "bytes=150000-"]
    assert seen.waits == [1.0, 2.0]
    assert "trying again" in seen.said[0]


def test_drops_without_a_stated_length_are_noticed(pull_it: Pull, hub: StandIn, folder: Path) -> None:
    hub.chunked, hub.drop_after = True, [100_000]
    pull_it()
    assert (folder / FILE).read_bytes() == CONTENT
    assert hub.gets() == ["", "bytes=100000-"]


def test_gives_up_after_some_drops_and_goes_on_next_time(pull_it: Pull, hub: StandIn, folder: Path) -> None:
    hub.drop_after = [1000] * 5
    with pytest.raises(ModelError, match=r"hf:owner/tiny-GGUF/tiny\.gguf: cannot fetch it.*is kept"):
        pull_it()
    assert partial(folder).read_bytes() == CONTENT[:5000]
    pull_it()
    assert hub.gets()[-1] == "bytes=5000-"
    assert names(folder) == [FILE, FILE + ".json"]


def test_a_slow_line_that_moves_is_not_given_up(pull_it: Pull, hub: StandIn, monkeypatch: Any) -> None:
    monkeypatch.setattr("xapp.models.hub.PROGRESS_BYTES", 20_000)
    hub.drop_after = [30_000] * 9
    assert not pull_it().was_there


def test_hub_that_ignores_ranges_starts_over(pull_it: Pull, hub: StandIn, folder: Path) -> None:
    hub.ignore_range, hub.drop_after = True, [100_000]
    pull_it()
    assert (folder / FILE).read_bytes() == CONTENT


def test_partial_of_another_content_is_not_continued(pull_it: Pull, hub: StandIn, folder: Path) -> None:
    folder.mkdir()
    (folder / f".{FILE}.0123456789abcdef.partial").write_bytes(b"older")
    pull_it()
    assert hub.gets() == [""]
    assert names(folder) == [FILE, FILE + ".json"]


def test_partial_with_too_many_bytes_is_dropped(pull_it: Pull, hub: StandIn, folder: Path) -> None:
    folder.mkdir()
    partial(folder).write_bytes(CONTENT + b"more")
    pull_it()
    assert hub.gets() == [""]


def test_complete_partial_is_only_checked(pull_it: Pull, hub: StandIn, folder: Path) -> None:
    folder.mkdir()
    partial(folder).write_bytes(CONTENT)
    pull_it()
    assert hub.gets() == []
    assert (folder / FILE).exists()


def test_corrupt_partial_is_found_and_removed(pull_it: Pull, folder: Path) -> None:
    folder.mkdir()
    partial(folder).write_bytes(b"x" * 1000)
    with pytest.raises(ModelError, match="it was removed") as caught:
        pull_it()
    assert caught.value.reason == "WRONG_HASH"
    assert names(folder) == []


def test_wrong_hash_leaves_nothing(pull_it: Pull, hub: StandIn, folder: Path) -> None:
    hub.stated_hash = "0" * 64
    with pytest.raises(ModelError, match=f"states sha256 {'0' * 64}.*what came has {SHA256}"):
        pull_it()
    assert names(folder) == []


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("stated", [len(CONTENT) - 10, len(CONTENT) // 2])
def test_more_than_stated_is_refused(
    pull_it: Pull, hub: StandIn, folder: Path, stated: int, chunked: bool
) -> None:
    hub.stated_size, hub.chunked = stated, chunked
    with pytest.raises(ModelError, match=r"the hub says .* bytes but sends"):
        pull_it()
    assert names(folder) == []
    assert len(hub.gets()) == 1


def test_less_than_stated_is_refused(pull_it: Pull, hub: StandIn, folder: Path) -> None:
    hub.stated_size = len(CONTENT) + 10
    with pytest.raises(ModelError, match=r"says 300,\d+ bytes but sends 300,\d+"):
        pull_it()
    assert names(folder) == []


def test_no_stated_hash_is_refused(pull_it: Pull, hub: StandIn) -> None:
    hub.stated_hash = "W/abc"
    with pytest.raises(ModelError, match="states no size and sha256"):
        pull_it()
    assert hub.gets() == []


def test_gated_model_says_what_to_do(pull_it: Pull, hub: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.gated = True
    with pytest.raises(ModelError, match=r"Accept its licence.*HF_TOKEN"):
        pull_it()
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert not pull_it().was_there
    assert hub.tokens[-1] == "Bearer hf_secret"


def test_bytes_from_another_host_get_no_token(
    pull_it: Pull, hub: StandIn, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with serving(StandIn(files=hub.files, drop_after=[1000])) as storage:
        hub.redirect_to = storage.endpoint
        pull_it()
    assert (folder / FILE).read_bytes() == CONTENT
    assert storage.gets() == ["", "bytes=1000-"]
    assert set(hub.tokens) == {"Bearer hf_secret"}
    assert set(storage.tokens) == {""}


@pytest.mark.parametrize("status", [401, 403])
def test_refusal_in_the_middle(pull_it: Pull, hub: StandIn, status: int) -> None:
    hub.statuses = [status]
    with pytest.raises(ModelError, match="HF_TOKEN") as caught:
        pull_it()
    assert caught.value.reason == "HUB_REFUSES"
    assert len(hub.gets()) == 1


def test_passing_errors_are_tried_again(pull_it: Pull, hub: StandIn, seen: Seen) -> None:
    hub.head_statuses, hub.statuses = [503], [500, 429]
    assert not pull_it().was_there
    assert seen.waits == [1.0, 1.0, 2.0]


def test_lasting_server_error(pull_it: Pull, hub: StandIn) -> None:
    hub.head_statuses = [503] * 3
    with pytest.raises(ModelError, match="the hub answers 503"):
        pull_it()


def test_unknown_file_and_revision(pull_it: Pull) -> None:
    with pytest.raises(ModelError, match="no such file"):
        pull_it("hf:owner/tiny-GGUF/other.gguf")
    with pytest.raises(ModelError, match="no revision 'v9'"):
        pull_it(revision="v9")


def test_not_gguf_is_removed(pull_it: Pull, hub: StandIn, folder: Path) -> None:
    hub.files["owner/tiny-GGUF/page.gguf"] = b"<html>hello</html>"
    with pytest.raises(ModelError, match=r"page.gguf is not a GGUF file \(starts with b'<htm'"):
        pull_it("hf:owner/tiny-GGUF/page.gguf")
    assert names(folder) == []


def test_nobody_listens(folder: Path, seen: Seen) -> None:
    backoff = Backoff(sleep=seen.waits.append)
    with pytest.raises(ModelError, match="cannot fetch it from the hub") as caught:
        pull(NAME, folder, backoff=backoff, progress=seen, endpoint="http://127.0.0.1:1")
    assert caught.value.reason == "HUB_UNREACHABLE"
    assert seen.waits == [1.0, 2.0]


@pytest.mark.parametrize(
    "path", ["", "a/b", "a/b/c.bin", "a//c.gguf", "a/b/../c.gguf", "a/b/.x.gguf", "a/b/\n.gguf"]
)
def test_bad_hub_names(pull_it: Pull, hub: StandIn, path: str) -> None:
    with pytest.raises(ModelError, match="is written hf:OWNER"):
        pull_it(f"hf:{path}")
    assert hub.log == []


def test_unknown_name_tells_what_there_is(pull_it: Pull) -> None:
    with pytest.raises(NotFound) as caught:
        pull_it("gpt-9")
    assert "qwen2.5-0.5b" in caught.value.metadata["catalogue"].split(",")


def test_another_file_of_that_name_is_kept(pull_it: Pull, folder: Path) -> None:
    folder.mkdir()
    (folder / FILE).write_bytes(b"mine")
    with pytest.raises(ModelError, match=r"exists and is not what .* has; .*models rm tiny"):
        pull_it()
    assert (folder / FILE).read_bytes() == b"mine"


def test_the_same_content_put_there_by_hand_gets_a_record(pull_it: Pull, hub: StandIn, folder: Path) -> None:
    folder.mkdir()
    (folder / FILE).write_bytes(CONTENT)
    assert pull_it().was_there
    assert hub.gets() == []
    assert record_of(folder / FILE) is not None


def test_catalogue_hash_that_differs_is_a_note(pull_it: Pull, hub: StandIn) -> None:
    hub.files["bartowski/SmolLM2-135M-Instruct-GGUF/SmolLM2-135M-Instruct-Q4_K_M.gguf"] = CONTENT
    pulled = pull_it("smollm2-135m")
    assert pulled.model.name == "smollm2-135m"
    assert "another one than the catalogue saw" in pulled.notes[0]


def test_name_of_another_repositorys_file_is_a_note(pull_it: Pull, hub: StandIn) -> None:
    hub.files["owner/tiny-GGUF/Qwen3-0.6B-Q4_K_M.gguf"] = CONTENT
    pulled = pull_it("hf:owner/tiny-GGUF/Qwen3-0.6B-Q4_K_M.gguf")
    assert pulled.notes[0].startswith(
        "it is served as qwen3-0.6b, whose file in the catalogue is hf:unsloth/"
    )


def test_folder_in_the_repository_becomes_part_of_the_name(pull_it: Pull, hub: StandIn, folder: Path) -> None:
    hub.files["owner/tiny-GGUF/sub/m.gguf"] = CONTENT
    assert pull_it("hf:owner/tiny-GGUF/sub/m.gguf").model.path == folder / "sub-m.gguf"


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_no_room_is_seen_before(pull_it: Pull, hub: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xapp.models.transfer.shutil.disk_usage", lambda _: Usage(1000, 900, 100))
    with pytest.raises(ModelError, match=rf"not enough room.*{len(CONTENT):,} bytes needed, 100 free"):
        pull_it()
    assert hub.gets() == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_in_the_middle(
    pull_it: Pull, folder: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    class Full(FileIO):
        def write(self, data: Any) -> int:
            if self.tell() >= 100_000:
                raise OSError(code, "no room")
            return super().write(data)

    usual = Path.open
    monkeypatch.setattr(
        Path,
        "open",
        lambda self, mode="r", *args, **more: (
            Full(self, "w+") if self.suffix == ".partial" else usual(self, mode, *args, **more)
        ),
    )
    with pytest.raises(ModelError, match=r"not enough room .* bytes needed, [\d,]+ free") as caught:
        pull_it()
    assert caught.value.reason == "DISK_FULL"
    monkeypatch.undo()
    assert names(folder) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk_of("128k", tmp_path / "small") as folder:
        yield folder


def test_really_full_disk(
    small_disk: Path, hub: StandIn, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelError, match="131,072 free"):
        pull(NAME, small_disk, progress=seen, endpoint=hub.endpoint)
    monkeypatch.setattr("xapp.models.pull.check_room", lambda *_: None)
    with pytest.raises(ModelError, match="not enough room"):
        pull(NAME, small_disk, progress=seen, endpoint=hub.endpoint)
    assert names(small_disk) == []


def test_folder_that_cannot_be_made(tmp_path: Path, hub: StandIn) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="Not a directory"):
        pull(NAME, tmp_path / "file" / "models", endpoint=hub.endpoint)


def hold(path: Path, ready: Any, release: Any) -> None:
    with one_at_a_time(path, Seen()):
        ready.set()
        release.wait(30)


def test_second_pull_waits_for_the_first(
    pull_it: Pull, folder: Path, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir()
    context = get_context("spawn")
    ready, release = context.Event(), context.Event()
    holder = context.Process(target=hold, args=(folder / FILE, ready, release))
    holder.start()
    try:
        assert ready.wait(30)
        usual = seen.say

        def say(message: str) -> None:
            usual(message)
            release.set()

        monkeypatch.setattr(seen, "say", say)
        assert not pull_it().was_there
    finally:
        release.set()
        holder.join(30)
    assert "another process is at work on the same file" in seen.said[0]
    assert names(folder) == [FILE, FILE + ".json"]


class Killed(Seen):
    """Progress of a process that is killed in the middle of a fetch."""

    def update(self, what: str, done: int, total: int) -> None:
        if what == "fetching" and 2 * done >= total:
            os.kill(os.getpid(), signal.SIGKILL)


def pull_until_killed(folder: Path, endpoint: str) -> None:
    pull(NAME, folder, progress=Killed(), endpoint=endpoint)


def test_a_pull_that_was_killed_is_gone_on_with(pull_it: Pull, hub: StandIn, folder: Path) -> None:
    """As an init container whose memory ran out: its lock is free, and what it had fetched counts."""
    process = get_context("spawn").Process(target=pull_until_killed, args=(folder, hub.endpoint))
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    assert FILE not in names(folder)
    assert not pull_it().was_there
    assert (folder / FILE).read_bytes() == CONTENT
    assert names(folder) == [FILE, FILE + ".json"]
    first, second = hub.gets()
    assert first == ""
    assert second.startswith("bytes=")


def test_hf_endpoint_names_the_hub(hub: StandIn, folder: Path, tmp_path: Path) -> None:
    code = "from xapp.cli.models import models; models()"
    done = subprocess.run(
        [sys.executable, "-c", code, "pull", NAME, "--models-dir", str(folder), "--json"],
        env={"PATH": "", "HOME": str(tmp_path), "HF_ENDPOINT": hub.endpoint},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f'"digest": "sha256:{SHA256}"' in done.stdout
    assert sidecar(folder / FILE).exists()


def test_leftovers_of_no_folder(tmp_path: Path) -> None:
    assert leftovers(tmp_path / "absent" / "x.gguf") == []
