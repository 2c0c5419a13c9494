"""Documents: what they are, their text and sections, and the cuts."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scale import examples
from xapp.domain.documents import Passage
from xapp.retrieval.documents import clauses, markdown
from xapp.retrieval.documents.cut import cut
from xapp.retrieval.documents.decode import decode
from xapp.retrieval.documents.parsed import Parsed, Section, Unread
from xapp.retrieval.documents.read import read

MARKDOWN = """Before any title.

# Guide
Hello.

## Set-up ##
Do `this`:

```sh
# no heading
make
```

Use
===
Text below a line.

| a | b |
| --- | --- |
"""

SPECIFICATION = """3GPP TS 38.999 V1.0.0
Contents
1\tScope\t5
2\tReferences ........ 6
3   Terms      7

1\tScope
This document is made up.
2 References
See 3GPP TS 38.300.
3 Terms
3.1 Words
5 Apples are no clause.
3.2 Abbreviations
RIC
17 Neither is this line
4 Procedures
4.1 General
4.1.1 Register
The node registers.
4.1.2a Inserted
Between two clauses.
Annex A (normative): Messages
A.1 General
More.
"""


def titles(passages: list[Passage]) -> list[str]:
    return [each.title for each in passages]


def test_markdown_is_cut_by_its_headings() -> None:
    title, passages = read("guide.md", "", MARKDOWN.encode(), 1000, 100)
    assert title == "Guide"
    assert titles(passages) == ["", "Guide", "Guide › Set-up", "Use"]
    assert "# no heading" in passages[2].text
    assert passages[3].text.endswith("| --- | --- |")


def test_clauses_of_a_specification_are_its_sections() -> None:
    _, passages = read("spec.txt", "text/plain", SPECIFICATION.encode(), 1000, 100)
    assert titles(passages) == [
        "",
        "1 Scope",
        "2 References",
        "3 Terms › 3.1 Words",
        "3 Terms › 3.2 Abbreviations",
        "4 Procedures › 4.1 General › 4.1.1 Register",
        "4 Procedures › 4.1 General › 4.1.2a Inserted",
        "Annex A Messages › A.1 General",
    ]


def test_a_numbered_list_is_no_specification() -> None:
    assert clauses.parse("1 Apples\n2 Pears\n") is None


def test_html_is_what_a_reader_sees() -> None:
    page = b"""<!DOCTYPE html><html><head><title>The  page</title><style>p{}</style></head><body>
    <nav>menu</nav><h1>Top <b>title</b></h1><p>One
    line.</p><script>alert(1)</script><ul><li>first<li>second</ul><h2>Below</h2><pre>a
  b</pre><table><tr><td>1</td><td>2</td></tr></table>&amp; more</body></html>"""
    title, passages = read("page", "", page, 1000, 100)
    assert title == "The page"
    assert [(each.title, each.text) for each in passages] == [
        ("Top title", "One line.\n- first\n- second"),
        ("Top title › Below", "a\n  b\n1 2\n& more"),
    ]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"\xef\xbb\xbfcaf\xc3\xa9", "café"),
        ("café".encode("utf-16"), "café"),
        ("café\r\nx\ry".encode("utf-32"), "café\nx\ny"),
    ],
)
def test_a_mark_at_the_start_names_the_encoding(content: bytes, text: str) -> None:
    assert decode(content) == text


def test_a_named_charset_counts() -> None:
    _, passages = read("a.txt", "text/plain; charset=iso-8859-1", b"caf\xe9 au lait", 1000, 100)
    assert passages[0].text == "café au lait"
    _, passages = read("a.html", "", b'<meta charset="windows-1252"><p>\x80 5</p>', 1000, 100)
    assert passages[0].text == "€ 5"


@pytest.mark.parametrize(
    ("name", "media_type", "content", "reason"),
    [
        ("a.txt", "", b"caf\xe9 au lait", "BAD_ENCODING"),
        ("a.txt", "text/plain; charset=utf-7", b"abc", "BAD_ENCODING"),
        ("a.txt", "text/plain; charset=unicode_escape", b"abc", "BAD_ENCODING"),
        ("a.md", "", b"\x00\x01\x02binary", "NOT_TEXT"),
        ("a.bin", "", b"PK\x03\x04zip", "UNKNOWN_TYPE"),
        ("a.txt", "application/msword", b"text", "UNKNOWN_TYPE"),
        ("a.txt", "", b" \n\t ", "EMPTY"),
        ("a.md", "", b"# Only a title\n", "EMPTY"),
        ("a.pdf", "", b"%PDF-1.7 and nothing else", "UNREADABLE"),
    ],
)
def test_what_cannot_be_read_says_why(name: str, media_type: str, content: bytes, reason: str) -> None:
    with pytest.raises(Unread) as caught:
        read(name, media_type, content, 1000, 100)
    assert caught.value.reason == reason


_TEXTS = st.lists(
    st.sampled_from(
        ["word", "a", " ", "\n", "\n\n", ". ", "# Title\n", "longword" * 30, "é", "```\n", "1 A\n"]
    ),
    max_size=120,
).map("".join)


@given(_TEXTS, st.integers(200, 400), st.integers(0, 100))
@settings(max_examples=examples(200))
def test_passages_cover_the_text_and_say_where_they_are(text: str, most: int, overlap: int) -> None:
    parsed = Parsed(text, (Section(0, len(text)),))
    passages = cut(parsed, most, overlap)
    covered: set[int] = set()
    for each in passages:
        assert each.text == text[each.start : each.end]
        assert each.text == each.text.strip()
        assert 2 <= len(each.text) <= most
        covered.update(range(each.start, each.end))
    lost = [text[place] for place in range(len(text)) if place not in covered and not text[place].isspace()]
    assert len(lost) <= 1
    starts = [each.start for each in passages]
    assert starts == sorted(set(starts))
    for before, after in pairwise(passages):
        assert before.end - after.start <= overlap


@given(_TEXTS)
@settings(max_examples=examples(200))
def test_sections_of_markdown_and_clauses_are_in_order(text: str) -> None:
    for parsed in (markdown.parse(text), clauses.parse(text)):
        end = 0
        for section in parsed.sections if parsed else ():
            assert end <= section.start < section.end <= len(text)
            end = section.end
