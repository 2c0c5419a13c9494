"""Files that change: what is good counts, what is not is logged and changes nothing."""

import asyncio
import logging
from pathlib import Path

import pytest

from xapp.errors import ConfigError
from xapp.security import reload
from xapp.security.reload import Reloaded

PATIENCE_S = 20.0


class Numbers:
    """A file with a number in it, or a fault."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reads = 0

    def read(self) -> int:
        self.reads += 1
        text = self.path.read_text()
        if text == "defect":
            raise ZeroDivisionError
        if not text.isdigit():
            raise ConfigError("XAPP_X", f"{text} is no number")
        return int(text)


@pytest.fixture
def numbers(tmp_path: Path) -> Numbers:
    path = tmp_path / "number"
    path.write_text("1")
    return Numbers(path)


def test_a_bad_file_at_the_start_is_raised(numbers: Numbers) -> None:
    numbers.path.write_text("one")
    with pytest.raises(ConfigError):
        Reloaded("number", [numbers.path], numbers.read)


@pytest.mark.parametrize("bad", ["one", "defect"])
async def test_the_last_good_one_stays(numbers: Numbers, bad: str, caplog: pytest.LogCaptureFixture) -> None:
    number = Reloaded("number", [numbers.path], numbers.read)
    numbers.path.write_text(bad)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            await number.check()
    assert number.value == 1
    assert [record.getMessage().startswith("number stays as it was") for record in caplog.records] == [True]
    numbers.path.write_text("22")
    await number.check()
    assert number.value == 22


async def test_an_unchanged_file_is_not_read_again(numbers: Numbers) -> None:
    number = Reloaded("number", [numbers.path], numbers.read)
    for _ in range(3):
        await number.check()
    assert numbers.reads == 1


async def test_a_folder_that_is_swapped_behind_a_link(tmp_path: Path, numbers: Numbers) -> None:
    """As Kubernetes swaps a Secret: same size, and times of a file that was written long ago."""
    for name, text in (("old", "1"), ("new", "2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "number").write_text(text)
    link, other = tmp_path / "data", tmp_path / "other"
    link.symlink_to("old")
    numbers.path = link / "number"
    number = Reloaded("number", [numbers.path], numbers.read)
    other.symlink_to("new")
    other.replace(link)
    await number.check()
    assert number.value == 2


class Said(logging.Handler):
    """Waits for a record; it is made on the event loop."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text
        self.event = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if self._text in record.getMessage():
            self.event.set()


async def test_watching(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reload, "LOOK_S", 0.001)
    said, logger = Said("number read again"), logging.getLogger(reload.__name__)
    logger.addHandler(said)
    number = Reloaded("number", [numbers.path], numbers.read)
    with caplog.at_level(logging.INFO, reload.__name__):
        watching = asyncio.create_task(number.watch())
        numbers.path.write_text("333")
        async with asyncio.timeout(PATIENCE_S):
            await said.event.wait()
    logger.removeHandler(said)
    assert number.value == 333
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
