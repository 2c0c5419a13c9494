"""A document as one HTML page that loads nothing: the pictures are in it."""

import base64
from collections.abc import Iterator, Sequence
from html import escape

from perf.report.document import Block, Document, Items, Picture, Section, Table, Text

_STYLE = """
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; background: #fff;
       font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.3rem; margin-top: 2.5rem; border-bottom: 1px solid #999; }
nav a { margin-right: 1rem; } a { color: #0055a0; }
.wide { margin: 1rem 0; }
table { border-collapse: collapse; max-width: 100%; font-size: 0.82rem; font-variant-numeric: tabular-nums; }
caption, summary { text-align: left; font-weight: 600; font-size: 0.95rem; padding: 0.3rem 0; }
th, td { padding: 0.25rem 0.6rem; border-bottom: 1px solid #ccc; text-align: right; vertical-align: top; }
th { border-bottom: 2px solid #666; vertical-align: bottom; }
/* A wide table breaks its cells into lines: nobody has to scroll sideways. */
th, td { overflow-wrap: anywhere; }
.word { text-align: left; }
li { overflow-wrap: anywhere; }
figure { margin: 1.5rem 0; } figure img { width: 100%; height: auto; }
figcaption { font-size: 0.88rem; color: #333; }
.warning { border-left: 4px solid #d55e00; background: #fdf1e8; padding: 0.5rem 0.8rem; }
@media print { body { max-width: none; margin: 0; } figure, table { break-inside: avoid; } }
"""
# The page itself forbids what it does not need: nothing is fetched, nothing runs.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def render(document: Document) -> str:
    """The page."""
    links = "".join(f'<a href="#{number}">{escape(each.title)}</a> ' for number, each in _numbered(document))
    body = "\n".join(_section(number, each) for number, each in _numbered(document))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(document.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(document.title)}</h1>\n<nav>{links}</nav>\n{body}\n</body>\n</html>\n"
    )


def _numbered(document: Document) -> Iterator[tuple[str, Section]]:
    return ((f"s{number}", each) for number, each in enumerate(document.sections, start=1))


def _section(number: str, section: Section) -> str:
    blocks = "\n".join(map(_block, section.blocks))
    return f'<section id="{number}">\n<h2>{escape(section.title)}</h2>\n{blocks}\n</section>'


def _block(block: Block) -> str:
    match block:
        case Text():
            kind = ' class="warning"' if block.warning else ""
            return f"<p{kind}>{escape(block.text)}</p>"
        case Items():
            return "<ul>" + "".join(f"<li>{escape(each)}</li>" for each in block.items) + "</ul>"
        case Table():
            return _table(block)
        case Picture():
            return _picture(block)


def _table(table: Table) -> str:
    head = _row("th", table.columns, table.num_words)
    body = "\n".join(_row("td", row, table.num_words) for row in table.rows)
    caption = "" if table.details else f"<caption>{escape(table.caption)}</caption>"
    inner = f'<div class="wide"><table>{caption}<thead>{head}</thead><tbody>\n{body}\n</tbody></table></div>'
    if not table.details:
        return inner
    return f"<details><summary>{escape(table.caption)}</summary>{inner}</details>"


def _row(cell: str, texts: Sequence[str], num_words: int) -> str:
    cells = (_cell(cell, text, number < num_words) for number, text in enumerate(texts))
    return f"<tr>{''.join(cells)}</tr>"


def _cell(cell: str, text: str, is_word: bool) -> str:
    kind = ' class="word"' if is_word else ""
    return f"<{cell}{kind}>{escape(text)}</{cell}>"


def _picture(picture: Picture) -> str:
    data = base64.b64encode(picture.svg).decode()
    image = f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(picture.alt)}">'
    return f"<figure>{image}<figcaption>{escape(picture.caption)}</figcaption></figure>"
