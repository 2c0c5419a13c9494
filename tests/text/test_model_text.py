"""A real text process on small vocabularies: what kills or holds it is told, and nobody else notices."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.text.processes import loaded
from tests.text.vocab_files import CONTROL, USER_DEFINED, write_byteless, write_vocab
from tests.workers.workers import until
from xapp.backend.vocab import Vocab
from xapp.domain.chat import ChatMessage
from xapp.errors import InvalidArgument, ModelError, Unavailable
from xapp.text import dispatch
from xapp.text.client import TextClient
from xapp.text.codec import TextCodec
from xapp.text.model_text import ModelText

HI = (ChatMessage("user", "hi <|turn|>"),)
LONG = "a b" * 1_000_000
NO_TOKEN = "\x07"
"""A byte that a vocabulary without byte tokens has no token for."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_vocab(tmp_path / "v.gguf", added={"<|turn|>": USER_DEFINED, "<|end|>": CONTROL})


async def test_it_says_what_the_codec_says(path: Path) -> None:
    codec = TextCodec(Vocab(path))
    async with loaded(path) as model:
        assert (model.has_chat_template, model.max_piece_bytes) == (True, codec.max_piece_bytes)
        for text in ("hi", "", "<|turn|>a", "é☃\0", "\udc80", "a b" * 20_000):
            assert await model.read(text) == codec.encode(text)
        assert await model.read(HI) == codec.encode_chat(HI)
        choices = ["a", "aa", "<|end|>", ""]
        assert await model.read_choices(HI, choices) == codec.encode_answers(HI, ["", *choices])
        wholes = [codec.encode("hi" + choice) for choice in ("", *choices)]
        assert await model.read_choices("hi", choices) == wholes
        assert [model.piece(token) for token in range(259)] == [codec.piece(token) for token in range(259)]
        with pytest.raises(ValueError, match="outside the vocabulary"):
            model.piece(10**6)
        assert model.num_restarts == 0


async def test_what_is_refused_names_its_field(tmp_path: Path) -> None:
    refusing = "{{ raise_exception('no system turns') }}"
    path = write_vocab(tmp_path / "v.gguf", tokenizer__chat_template=refusing)
    async with loaded(path) as model:
        with pytest.raises(InvalidArgument, match="no system turns") as caught:
            await model.read(HI)
        assert caught.value.field == "chat"


async def test_a_broken_template_is_the_files_fault(tmp_path: Path) -> None:
    async with loaded(write_vocab(tmp_path / "v.gguf", tokenizer__chat_template="{{")) as model:
        with pytest.raises(ModelError, match=r"v\.gguf: chat template"):
            await model.read(HI)


@pytest.mark.parametrize(
    "pre", ["none", "default", "deepseek-llm", "tekken", "falcon", "gpt-4o", "qwen2", "llama-bpe"]
)
async def test_runs_of_one_class_are_taken_by_every_tokenizer(tmp_path: Path, pre: str) -> None:
    path = write_vocab(tmp_path / "v.gguf", pre)
    async with loaded(path) as model:
        for unit in ("a", " ", "1", "$", "é", "日", "e\u0301"):
            tokens = await model.read(unit * 30_000)
            assert b"".join(map(model.piece, tokens)) == (unit * 30_000).encode()
        assert model.num_restarts == 0


async def test_a_text_that_ends_the_process_is_told_and_others_go_on(tmp_path: Path) -> None:
    async with loaded(write_byteless(tmp_path / "v.gguf")) as model:
        calls = [model.read("a"), model.read(NO_TOKEN), *(model.read("aa") for _ in range(5))]
        first, killer, *others = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(killer, InvalidArgument)
        assert (killer.field, killer.reason) == ("prompt", "TEXT_NOT_TOKENIZED")
        assert "native code was ended by SIGABRT" in killer.message
        assert first == await model.read("a")
        assert others == [await model.read("aa")] * 5
        assert model.num_restarts == 1


async def test_a_flood_of_such_texts_ends_the_process_once(tmp_path: Path) -> None:
    async with loaded(write_byteless(tmp_path / "v.gguf")) as model:
        bad = [asyncio.create_task(model.read(NO_TOKEN * size, "bad")) for size in range(1, 40)]
        good = [asyncio.create_task(model.read("a", f"good {index}")) for index in range(5)]
        assert all(await asyncio.gather(*good))
        results = await asyncio.gather(*bad, return_exceptions=True)
        assert {type(result) for result in results} == {InvalidArgument}
        assert model.num_restarts == 1


async def test_what_takes_too_long_is_ended_and_others_go_on(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with loaded(path) as model:
        monkeypatch.setattr(dispatch, "LIMIT_S", 0.1)
        monkeypatch.setattr(dispatch, "PATIENCE_S", 0.0)
        # It stands for a process that computes for ever: the supervisor sees no stop.
        monkeypatch.setattr(TextClient, "is_stopped", False)
        os.kill(model.pid, signal.SIGSTOP)
        slow = asyncio.create_task(model.read(HI))
        with pytest.raises(InvalidArgument, match=r"took longer than 0\.1 s") as caught:
            await slow
        assert (caught.value.field, caught.value.reason) == ("chat", "TEXT_NOT_TOKENIZED")
        monkeypatch.setattr(dispatch, "LIMIT_S", 30.0)
        assert await model.read(HI)
        assert model.num_restarts == 1


async def test_what_takes_too_long_in_a_fork_ends_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with loaded(path) as model:
        monkeypatch.setattr(dispatch, "LIMIT_S", 0.01)
        monkeypatch.setattr(dispatch, "LIMIT_S_PER_BYTE", 0.0)
        with pytest.raises(InvalidArgument, match=r"took longer than 0\.0 s"):
            await model.read(LONG)
        monkeypatch.setattr(dispatch, "LIMIT_S", 30.0)
        assert await model.read(HI)
        assert model.num_restarts == 0


async def test_a_long_text_holds_up_no_short_one(path: Path) -> None:
    async with loaded(path) as model:
        slow = asyncio.create_task(model.read(LONG))
        await asyncio.sleep(0)
        assert await model.read(HI)
        assert not slow.done()
        slow.cancel()


async def test_a_process_killed_from_outside_is_started_again_and_asked_again(path: Path) -> None:
    async with loaded(path) as model:
        pid = model.pid
        os.kill(pid, signal.SIGSTOP)
        waiting = asyncio.create_task(model.read("hi"))
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)
        assert await waiting == await model.read("hi")
        assert model.pid != pid
        assert model.num_restarts == 1


async def test_a_process_with_another_vocabulary_is_not_taken(path: Path) -> None:
    async with loaded(path) as model:
        kept = path.read_bytes()  # noqa: ASYNC240  nothing else runs here
        tokens = await model.read("hi")
        write_vocab(path, added={"<|turn|>": CONTROL, "<|end|>": CONTROL})
        os.kill(model.pid, signal.SIGKILL)
        await until(lambda: not model.can_start)
        with pytest.raises(Unavailable, match="is not the file that was loaded"):
            await model.read("hi")
        path.write_bytes(kept)  # noqa: ASYNC240
        await until(lambda: model.can_start and model.pid > 0)
        assert await model.read("hi") == tokens


async def test_who_waits_is_told_when_the_model_is_unloaded(path: Path) -> None:
    async with loaded(path) as model:
        os.kill(model.pid, signal.SIGSTOP)
        waiting = [asyncio.create_task(model.read("hi")) for _ in range(3)]
        await asyncio.sleep(0)
        await model.aclose()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(result) for result in results} == {Unavailable}


async def test_memory_is_bounded(path: Path) -> None:
    async with loaded(path) as model:
        limits = Path(f"/proc/{model.pid}/limits").read_text()  # noqa: ASYNC240
        (line,) = (line for line in limits.splitlines() if line.startswith("Max address space"))
        assert int(line.split()[3]) < 4 << 30


async def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nothing\.gguf: No such file"):
        await ModelText.load(f"{tmp_path}/nothing.gguf")


async def test_the_servers_process_has_no_native_tokenizer(path: Path) -> None:
    code = (
        "import sys, asyncio; from xapp.text.model_text import ModelText\n"
        f"async def main():\n m = await ModelText.load({str(path)!r}); await m.read('hi'); await m.aclose()\n"
        "asyncio.run(main()); print([n for n in sys.modules if 'llama_cpp' in n or n == 'jinja2'])"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out.decode().strip() == "[]"
