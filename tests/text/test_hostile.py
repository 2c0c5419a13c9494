"""Model files that kill or hold who works on them, in a real text process. The caller is told."""

import json
from pathlib import Path

import pytest

from tests.text.processes import loaded
from tests.text.vocab_files import NORMAL, write_endless, write_vocab
from xapp.domain.chat import ChatMessage
from xapp.errors import InvalidArgument, ModelError
from xapp.text import dispatch
from xapp.text.model_text import ModelText

HI = (ChatMessage("user", "hi"),)
SLOW = "{% for i in range(100000) %}{{ 'x' }}{% endfor %}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_vocab(tmp_path / "v.gguf")


async def refused(model: ModelText, prompt: str | tuple[ChatMessage, ...]) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        await model.read(prompt)
    assert caught.value.reason == "TEXT_NOT_TOKENIZED"
    return caught.value


async def test_a_tokenizer_that_never_ends_is_ended(tmp_path: Path) -> None:
    async with loaded(write_endless(tmp_path / "v.gguf")) as model:
        assert "native code was ended" in (await refused(model, "a")).message
        # From now on each text is processed in a fork.
        assert "native code was ended" in (await refused(model, "a")).message
        assert await model.read("ab")
        assert model.num_restarts == 1


async def test_a_template_that_holds_the_interpreter_is_the_files_fault(tmp_path: Path) -> None:
    template = "{{ 1.5 in range(10**12) }}{{ 1.5 in range(1000000000000) }}"
    async with loaded(write_vocab(tmp_path / "v.gguf", tokenizer__chat_template=template)) as model:
        with pytest.raises(ModelError, match="chat template"):
            await model.read(HI)
        assert await model.read("hi")
        assert model.num_restarts == 0


def tries(width: int) -> str:
    """A schema for which a text that nests N deep takes `width` to the power of N tries."""
    array = {"type": "array", "items": {"$ref": "#/$defs/a"}, "minItems": 2}
    return json.dumps({"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [array] * width}}})


async def test_a_check_that_takes_for_ever_is_ended(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with loaded(path) as model:
        pairs = [('{"type": "integer"}', "1"), ('{"type": "integer"}', '"é"'), (tries(2), "[[[]]]")]
        first, second, third = await model.check(pairs)
        assert first == ""
        assert second == "'é' is not of type 'integer'"
        assert third
        monkeypatch.setattr(dispatch, "LIMIT_S", 0.3)
        for _ in range(2):
            with pytest.raises(InvalidArgument, match="takes too much work to check") as caught:
                await model.check([(tries(8), "[" * 16 + "]" * 16)])
            assert (caught.value.field, caught.value.reason) == ("json", "NOT_CHECKED")
        assert await model.check(pairs[:2]) == [first, second]
        assert model.num_restarts == 1
        long = json.dumps(["x" * 30_000])
        assert await model.check([('{"type": "array"}', long), ('{"type": "null"}', "null")]) == ["", ""]


async def test_a_token_of_a_megabyte_costs_its_bytes_once(tmp_path: Path) -> None:
    async with loaded(write_vocab(tmp_path / "v.gguf", added={"<" + "b" * 1_000_000 + ">": NORMAL})) as model:
        assert await model.read((ChatMessage("user", "<bb" * 1000),))
        assert model.max_piece_bytes == 1_000_002


async def test_cpu_time_that_a_text_takes_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with loaded(write_vocab(tmp_path / "v.gguf", tokenizer__chat_template=SLOW)) as model:
        monkeypatch.setattr(dispatch, "LIMIT_S", 0.02)
        monkeypatch.setattr(dispatch, "LIMIT_S_PER_BYTE", 0.0)
        first, second = await refused(model, HI), await refused(model, HI)
        assert "it took longer than 0.0 s" in first.message
        assert first.message == second.message
        monkeypatch.setattr(dispatch, "LIMIT_S", 30.0)
        assert await model.read("hi")
        assert model.num_restarts == 1


async def test_a_tasks_prompt_is_made_within_the_same_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with loaded(write_vocab(tmp_path / "v.gguf")) as model:
        assert await model.render("{{ a }} {{ b }}", {"a": "é", "b": 1}) == "é 1"
        with pytest.raises(InvalidArgument, match="takes too much work") as caught:
            await model.render("{{ 1.5 in range(n) }}", {"n": 10**12})
        assert caught.value.field == "inputs"
        monkeypatch.setattr(dispatch, "LIMIT_S", 0.001)
        monkeypatch.setattr(dispatch, "LIMIT_S_PER_BYTE", 0.0)
        with pytest.raises(InvalidArgument, match="took longer") as caught:
            await model.render(SLOW.replace("100000", "n"), {"n": 30_000})
        assert (caught.value.field, caught.value.reason) == ("inputs", "TEXT_NOT_TOKENIZED")
        monkeypatch.setattr(dispatch, "LIMIT_S", 30.0)
        assert await model.render("{{ a }}", {"a": "x" * 20_000}) == "x" * 20_000
