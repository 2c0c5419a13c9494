"""With llama.cpp and the default model: that files come out and figures make sense, not how fast it is."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.disk import small_disk_of
from tests.models.conftest import Seen
from tests.models.gguf_file import LLAMA, gguf_bytes
from tests.models.gguf_split import split
from xapp.backend.node import this_node
from xapp.backend.optimize import jobs
from xapp.backend.optimize.process import COMMAND, ask
from xapp.backend.optimize.run import Wish, optimize
from xapp.backend.vocab import Vocab
from xapp.errors import ModelError
from xapp.models.formats import FORMATS, Format
from xapp.models.gguf import read_gguf_header
from xapp.models.store import ModelFile, resolve
from xapp.models.verify import Verdict, verify

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # a busy machine quantizes slowly
WRITE_Q8 = Wish((), 0, 0.0, "Q8_0")
TEXT = "The sea was calm, and the boats lay at anchor. Nobody spoke. " * 8


@pytest.fixture(autouse=True)
def modest_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy with other tests must not starve these, nor these the others: one thread
    computes, and few steps are measured.
    """
    code = (
        "from xapp.backend.optimize import job_process, speed; job_process.NICENESS = 0;"
        "speed.PROMPT_TOKENS, speed.STEPS = 64, 4; job_process.main()"
    )
    monkeypatch.setattr("xapp.backend.optimize.process.COMMAND", (sys.executable, "-c", code))
    monkeypatch.setattr("xapp.backend.optimize.run.this_node", lambda: replace(this_node(), cores=1))


@pytest.fixture
def model(shallow_model_path: Path, tmp_path: Path) -> ModelFile:
    (tmp_path / "m.gguf").symlink_to(shallow_model_path)
    return resolve("m", tmp_path)


@pytest.fixture
def whole_model(default_model_path: Path, tmp_path: Path) -> ModelFile:
    """It makes sense, so that a loss can be measured."""
    (tmp_path / "m.gguf").symlink_to(default_model_path)
    return resolve("m", tmp_path)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_measure_and_write(whole_model: ModelFile, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xapp.backend.optimize.measure._text", lambda: TEXT)
    blanks = (
        jobs.Blank(
            ("The sea was calm and the ship sailed, since the wind", "The sea was calm since it"), " blew.", 0
        ),
    )
    outcome = optimize(whole_model, Wish(("Q8_0",), 1, 1.0, "Q8_0", blanks), seen)
    source, copy = outcome.measured
    assert (source.format, copy.format, copy.fault) == ("Q4_1 (source)", "Q8_0", "")
    assert copy.size_bytes > source.size_bytes
    assert copy.loss
    assert copy.loss.agreement > 0.8
    assert -0.1 < copy.loss.worse < 0.1
    assert copy.peak_bytes > copy.size_bytes
    assert min(copy.prefill, *(copy.decode(count) for count in (1, 4, 8))) > 0
    assert len(source.right) == len(copy.right) == 1
    assert outcome.written
    path = outcome.written.model.path
    assert verify(outcome.written.model).verdict is Verdict.OK
    header = read_gguf_header(path).values
    assert (header["general.file_type"], header["genai_xapp.origin"]) == (7, outcome.digest)
    assert (Vocab(path).size, Vocab(path).chat_template) == (49152, Vocab(whole_model.path).chat_template)
    assert names(path.parent) == ["m.Q8_0.gguf", "m.Q8_0.gguf.json", "m.gguf"]


QUICK = [each for each in FORMATS.values() if each.name != "IQ4_NL"]
"""IQ4_NL is written in ten times the time."""


@pytest.mark.parametrize("form", QUICK, ids=lambda form: form.name)
def test_sizes_are_known_before(model: ModelFile, form: Format) -> None:
    expected = ask(jobs.Size(str(model.path), form.file_type), jobs.Bytes).count
    target = str(model.path.with_name("x.gguf"))
    written = ask(jobs.Quantize(str(model.path), form.file_type, target, 2, "sha256:0"), jobs.Bytes).count
    assert 0 <= expected - written < 128 * 1024


def test_every_format_is_known_to_the_quantizer(model: ModelFile) -> None:
    for form in FORMATS.values():
        assert ask(jobs.Size(str(model.path), form.file_type), jobs.Bytes).count > 2**23


def test_a_split_model_becomes_one_file(shallow_model_path: Path, tmp_path: Path, seen: Seen) -> None:
    split(shallow_model_path, tmp_path, "big", 3)
    outcome = optimize(resolve("big", tmp_path), WRITE_Q8, seen)
    assert outcome.written
    assert outcome.written.model.name == "big.Q8_0"
    assert ask(jobs.Guess(str(outcome.written.model.path), 2, TEXT[:99]), jobs.Guesses).nats


def test_an_architecture_that_llama_cpp_does_not_know(tmp_path: Path, seen: Seen) -> None:
    (tmp_path / "alien.gguf").write_bytes(gguf_bytes(LLAMA | {"general.architecture": "alien"}))
    with pytest.raises(ModelError, match=r"alien.gguf: llama.cpp cannot quantize it: .*alien"):
        optimize(resolve("alien", tmp_path), WRITE_Q8, seen)
    assert names(tmp_path) == ["alien.gguf"]


def test_a_child_stays_within_the_memory_that_is_free(
    model: ModelFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    scarce = (
        "from xapp.backend.optimize import job_process; from xapp.backend.sizing import Node;"
        "job_process.this_node = lambda: Node(60_000_000, 2); job_process.main()"
    )
    monkeypatch.setattr("xapp.backend.optimize.process.COMMAND", (sys.executable, "-c", scarce))
    with pytest.raises(ModelError, match=r"m\.gguf: "):
        ask(jobs.Quantize(str(model.path), 7, str(model.path.with_name("x.gguf")), 2, "sha256:0"), jobs.Bytes)


class Interrupted(Seen):
    """Ctrl-C while the file is being written."""

    def update(self, what: str, done: int, total: int) -> None:
        super().update(what, done, total)
        if what.startswith("writing"):
            raise KeyboardInterrupt


def test_an_interrupt_while_the_file_grows(model: ModelFile) -> None:
    with pytest.raises(KeyboardInterrupt):
        optimize(model, WRITE_Q8, Interrupted())
    assert names(model.path.parent) == ["m.gguf"]


KILLED = """
import os, signal, sys
from pathlib import Path
from xapp.backend.optimize.run import Wish, optimize
from xapp.models.store import resolve
from xapp.models.transfer import NoProgress

class Progress(NoProgress):
    def update(self, what, done, total):
        if what.startswith("writing") and done:
            os.kill(os.getpid(), signal.SIGKILL)

optimize(resolve("m", Path(sys.argv[1])), Wish((), 0, 0.0, "Q8_0"), Progress())
"""


def test_a_kill_while_the_file_grows(model: ModelFile, seen: Seen) -> None:
    folder = model.path.parent
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder)], check=False, timeout=110, stdin=subprocess.DEVNULL
    )
    assert done.returncode == -9
    assert {".m.gguf.Q8_0.partial", "m.gguf"} <= set(names(folder))
    assert "m.Q8_0.gguf" not in names(folder)
    assert optimize(model, WRITE_Q8, seen).written
    assert names(folder) == ["m.Q8_0.gguf", "m.Q8_0.gguf.json", "m.gguf"]


def test_the_child_ends_when_nobody_listens(model: ModelFile) -> None:
    job: jobs.Job = jobs.Guess(str(model.path), 1, TEXT * 100)
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(msgspec.json.encode(job) + b"\n")
        child.stdin.close()
        assert child.stdout.read() == b""
    assert child.returncode == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk_of("40m", tmp_path / "small") as folder:
        yield folder


def test_a_really_full_disk(
    default_model_path: Path, small_disk: Path, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    (small_disk / "m.gguf").symlink_to(default_model_path)
    model = resolve("m", small_disk)
    with pytest.raises(ModelError, match=r"not enough room .* bytes needed, 41,943,040 free"):
        optimize(model, WRITE_Q8, seen)
    monkeypatch.setattr("xapp.backend.optimize.run.check_disk", lambda *_: None)
    with pytest.raises(ModelError, match=r"m\.Q8_0\.gguf: 14\d,\d+,\d+ bytes needed, [\d,]+ free") as caught:
        optimize(model, WRITE_Q8, seen)
    assert caught.value.reason == "DISK_FULL"
    assert names(small_disk) == ["m.gguf"]
