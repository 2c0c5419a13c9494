"""The file of hashed tokens: what it may have in it, and who has which token."""

from pathlib import Path

import pytest

from xapp.errors import ConfigError
from xapp.security.tokens import Tokens, hash_of, new_token, read_tokens


def read(folder: Path, text: str | bytes) -> Tokens:
    path = folder / "tokens.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_tokens(path)


def test_a_token_finds_its_owner(tmp_path: Path) -> None:
    first, second, other = new_token(), new_token(), new_token()
    text = f'planner = ["{hash_of(first)}", "{hash_of(second)}"]\nprobe = ["{hash_of(other)}"]\n'
    tokens = read(tmp_path, text)
    assert len(tokens) == 3
    assert [tokens.find(each) for each in (first, second, other)] == ["planner", "planner", "probe"]


@pytest.mark.parametrize("wrong", ["", "x", "sha256:" + "0" * 64, "\x00", "\udcff"])
def test_nobody_has_another_one(tmp_path: Path, wrong: str) -> None:
    tokens = read(tmp_path, f'planner = ["{hash_of(new_token())}"]\n')
    assert tokens.find(wrong) is None


def test_the_hash_is_no_token(tmp_path: Path) -> None:
    token = new_token()
    assert read(tmp_path, f'planner = ["{hash_of(token)}"]\n').find(hash_of(token)) is None


def test_tokens_are_long_and_differ() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert min(map(len, tokens)) >= 43


def test_an_empty_file_lets_nobody_in(tmp_path: Path) -> None:
    assert read(tmp_path, "").find("x") is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("planner = [", "TOML"),
        ("planner = " + "[" * 100_000, "nests too deep"),
        (b"#" * (1024 * 1024 + 1), "larger than"),
        (b"\xff\xfe", "UTF-8"),
        ('planner = "sha256:00"', "planner is no list"),
        ("planner = [1]", "hash 1 of planner"),
        ('planner = ["my-secret-token"]', "hash 1 of planner"),
        (f'planner = ["sha256:{"A" * 64}"]', "hash 1 of planner"),
        (f'planner = ["md5:{"a" * 64}"]', "hash 1 of planner"),
        (f'a = ["sha256:{"a" * 64}"]\nb = ["sha256:{"a" * 64}"]', "hash 1 of b is also one of a"),
        ('"" = []', "a name has"),
        (f'"{"x" * 129}" = []', "a name has"),
    ],
)
def test_what_is_wrong_names_the_place_and_shows_no_secret(
    tmp_path: Path, text: str | bytes, says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert caught.value.key == "XAPP_TOKENS_FILE"
    assert says in caught.value.message
    assert "my-secret-token" not in caught.value.message
