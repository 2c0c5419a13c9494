import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.callers.prompt_texts import Texts, decode_work, text, text_of, token_prompt


async def count_words(words: str) -> int:
    return len(words.split())


async def count_half_words(words: str) -> int:
    return 1 + 2 * len(words.split())


@pytest.mark.parametrize("length", [16, 64, 450, 1500])
async def test_text_has_the_asked_length(length: int) -> None:
    assert await count_words(await text_of(length, 7, count_words)) == length


async def test_a_length_that_no_text_has_is_an_error() -> None:
    with pytest.raises(ValueError, match="exactly 64"):
        await text_of(64, 7, count_half_words)


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_texts_of_two_seeds_part_at_once(one: int, other: int) -> None:
    assert (text(8, one).split()[0] == text(8, other).split()[0]) == (one == other)


async def test_texts_are_made_once() -> None:
    asked: list[str] = []

    async def counted(words: str) -> int:
        asked.append(words)
        return await count_words(words)

    texts = Texts(counted)
    first = await texts.get(32, 5)
    before = len(asked)
    assert await texts.get(32, 5) == first
    assert len(asked) == before


async def test_a_work_has_one_text_a_stream() -> None:
    prompts = await Texts(count_words).of(decode_work(4, seed=3))
    assert len(set(prompts)) == 4


def test_token_prompts_differ_from_the_first_token_on() -> None:
    heads = {token_prompt(4, seed, stream)[0] for seed in range(20) for stream in range(8)}
    assert len(heads) == 160


@given(st.integers(1, 200), st.integers(0, 1000), st.integers(0, 8))
def test_token_ids_are_in_any_vocabulary(length: int, seed: int, stream: int) -> None:
    prompt = token_prompt(length, seed, stream)
    assert len(prompt) == length
    assert all(100 <= token < 40_000 for token in prompt)
