"""What is too deep, too much or too long is refused before anything is made of it."""

import pytest

from xapp.errors import ConfigError
from xapp.tasks.folder import MAX_FILE_BYTES
from xapp.tasks.yaml_text import MAX_DEPTH, MAX_VALUES, read_mapping

SIZE = MAX_FILE_BYTES - 100
LARGE = {
    "lists": "a: " + "[" * SIZE,
    "mappings": "a: " + "{" * SIZE,
    "block lists": "a:\n " + "- " * (SIZE // 2),
    "complex keys": "? " * (SIZE // 2),
    "keys": "\n".join(f"k{number}: v" for number in range(SIZE // 10)),
    "a flow list": "a: [" + "a," * (SIZE // 2) + "]",
    "digits": "a: " + "1" * SIZE,
    "minutes": "a: 1" + ":59" * (SIZE // 3),
    "float minutes": "a: 1" + ":59" * (SIZE // 3) + ".5",
    "bits": "a: 0b" + "1" * SIZE,
    "anchors": "\n".join(f"k{number}: &a{number} v" for number in range(SIZE // 20)),
    "bad escapes": 'a: "' + "\\z" * (SIZE // 2),
}


BOUNDS = "nests deeper|has more than|a number of|found unknown escape|mapping keys|did not find"


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE.keys())
def test_a_large_file_of_any_kind_is_refused_for_a_bound(text: str) -> None:
    with pytest.raises(ConfigError, match=rf"^f\.yaml: line \d+: ({BOUNDS})"):
        read_mapping(text, "f.yaml")


@pytest.mark.parametrize(
    "text", ["a: " + "x" * SIZE, "a: '" + "x y" * (SIZE // 3) + "'", "a: |\n" + "  x\n" * 9000]
)
def test_a_long_text_is_no_harm(text: str) -> None:
    assert len(read_mapping(text, "f.yaml")["a"]) > 9000


def test_bounds() -> None:
    assert read_mapping("a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1), "f")
    with pytest.raises(ConfigError, match="line 1: nests deeper"):
        read_mapping("a: " + "[" * MAX_DEPTH + "]" * MAX_DEPTH, "f")
    with pytest.raises(ConfigError, match="more than"):
        read_mapping("a: [" + "b," * MAX_VALUES + "]", "f")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &x 1\nb: *x", "line 2: aliases"),
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' is there twice"),
        ("? [a, b]\n: 1\n? [a, b]\n: 2", "is"),
        ("a: !!python/name:os.system", "line 1"),
        ("- a", "no mapping"),
        ("a: b\n---\nc: d", "document"),
        ("1: a", "no mapping"),
        ("a: \x07", "YAML|line"),
    ],
)
def test_what_surprises_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_mapping(text, "f")
