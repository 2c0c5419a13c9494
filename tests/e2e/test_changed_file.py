"""A real model whose file becomes another one while it is served."""

import os
import re
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import pytest

from tests.e2e.caller import Caller, calling, text_pid, until, worker_pid
from tests.live import LiveServer, serving
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import models_pb2
from xapp.models.digest import hash_file

pytestmark = pytest.mark.slow

ASK = pb.GenerateRequest(prompt="The sea is", max_tokens=24, deterministic=True)
WORDS = ("the", "and")


@pytest.fixture
def path(shallow_model_path: Path, tmp_path: Path) -> Path:
    """A copy of a model."""
    return Path(shutil.copyfile(shallow_model_path, tmp_path / "mine.gguf"))


@pytest.fixture
async def caller(path: Path) -> AsyncIterator[Caller]:
    with serving({"XAPP_MODEL": str(path)}) as server:
        async with calling(server) as caller:
            yield caller


def another(path: Path) -> Path:
    """The same weights under another vocabulary: two words have changed places, so that the text tells."""
    content = path.read_bytes()
    one, two = (content.index(_token(word)) for word in WORDS)
    changed = bytearray(content)
    changed[one : one + len(_token(WORDS[0]))] = _token(WORDS[1])
    changed[two : two + len(_token(WORDS[1]))] = _token(WORDS[0])
    other = path.with_suffix(".new")
    other.write_bytes(changed)
    return other


def _token(word: str) -> bytes:
    """In the file: its length, then a letter that stands for the space before it, then the word."""
    text = f"\u0120{word}".encode()
    return len(text).to_bytes(8, "little") + text


def in_other_words(text: str) -> str:
    """What the other file's model says where the first one says `text`."""
    swapped = {WORDS[0]: WORDS[1], WORDS[1]: WORDS[0]}
    return re.sub(r"\w+", lambda word: swapped.get(word[0], word[0]), text)


@pytest.mark.parametrize("process_of", [worker_pid, text_pid])
async def test_after_a_replaced_file_text_and_digest_are_of_the_new_one(
    caller: Caller, path: Path, process_of: Callable[[LiveServer], int]
) -> None:
    """Once a process must read the file again."""
    before = await caller.text(ASK)
    assert in_other_words(before) != before
    other = another(path)
    digest = hash_file(other)
    other.replace(path)

    async def is_said() -> bool:
        return "another file is in its place" in (await caller.model()).warning

    await until(is_said)
    assert await caller.text(ASK) == before
    os.kill(process_of(caller.server), signal.SIGKILL)

    async def is_loaded() -> bool:
        model = await caller.model()
        return model.digest == digest and model.state == models_pb2.MODEL_STATE_READY

    await until(is_loaded)
    assert await caller.text(ASK) == in_other_words(before)
    assert (await caller.model()).warning == ""


async def test_a_file_that_is_overwritten_is_refused_until_it_is_a_model_again(
    caller: Caller, path: Path
) -> None:
    before = await caller.text(ASK)
    kept = path.read_bytes()  # noqa: ASYNC240  nothing else runs here
    with path.open("r+b") as file:
        file.write(bytes(4096))

    async def is_refused() -> bool:
        return (await caller.model()).state == models_pb2.MODEL_STATE_FAILED

    await until(is_refused)
    error = await caller.refused(ASK)
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "is not a GGUF file" in (error.details() or "")
    with path.open("r+b") as file:
        file.write(kept[:4096])

    async def is_back() -> bool:
        return (await caller.model()).state == models_pb2.MODEL_STATE_READY

    await until(is_back)
    assert await caller.text(ASK) == before
