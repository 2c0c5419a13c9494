"""PDF files for tests, written by hand: pypdf only reads them."""

import zlib
from collections.abc import Sequence


def pdf(contents: Sequence[bytes], *, level: int = 9) -> bytes:
    """A file with a page for each content stream."""
    kids = b" ".join(b"%d 0 R" % (4 + 2 * index) for index in range(len(contents)))
    bodies = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, len(contents)),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for index, content in enumerate(contents):
        packed = zlib.compress(content, level)
        fonts = b"/Resources<</Font<</F1 3 0 R>>>>"
        head = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]"
        bodies.append(b"%s/Contents %d 0 R%s>>" % (head, 5 + 2 * index, fonts))
        bodies.append(b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(packed), packed))
    return _file(bodies)


def _file(bodies: Sequence[bytes]) -> bytes:
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(bodies, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(bodies) + 1
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n%s" % (count, table)
    return bytes(out + b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (count, start))


def page(*lines: str) -> bytes:
    """A content stream with a line of text below the other."""
    shown = b"".join(b"(%s) Tj 0 -20 Td " % line.encode("latin-1") for line in lines)
    return b"BT /F1 12 Tf 50 750 Td " + shown + b"ET"


def bomb() -> bytes:
    """A small file whose page unpacks to 120 MB."""
    return pdf([page("A") + b" " * 120_000_000])
