"""Whether the Go stubs in clients/go are of the contract in proto/: exits 1 and says what to run when not.

Needs no Go: a stub carries its file's descriptor, and so do the Python stubs, which are checked against
proto/ themselves. Comments are in neither.
"""

import re
import sys
from pathlib import Path

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

ROOT = Path(__file__).resolve().parent.parent
STUBS = ROOT / "clients" / "go" / "inference" / "v1"
_DESCRIPTOR = re.compile(r'_rawDesc = ""((?: \+\s*"(?:[^"\\]|\\.)*")+)')
_LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))")
_SHORT = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def descriptor(source: str) -> FileDescriptorProto:
    """What a Go stub was generated from. Raises ValueError when it carries no descriptor."""
    found = _DESCRIPTOR.search(source)
    if found is None:
        raise ValueError("no descriptor")
    parts = (unquoted(literal) for literal in _LITERAL.findall(found[1]))
    return comparable(FileDescriptorProto.FromString(b"".join(parts)))


def unquoted(literal: str) -> bytes:
    """The bytes of a Go string literal."""
    out = bytearray()
    end = 0
    for escape in _ESCAPE.finditer(literal):
        out += literal[end : escape.start()].encode() + _escaped(escape)
        end = escape.end()
    return bytes(out + literal[end:].encode())


def _escaped(escape: re.Match[str]) -> bytes:
    byte, short_rune, rune, char = escape.groups()
    if byte:
        return bytes.fromhex(byte)
    if char:
        return _SHORT.get(char, char).encode()
    return chr(int(short_rune or rune, 16)).encode()


def comparable(file: FileDescriptorProto) -> FileDescriptorProto:
    """Without what generators differ in: the JSON names of fields follow from their names."""
    for message in file.message_type:
        _clear_json_names(message)
    file.ClearField("options")
    return file


def _clear_json_names(message: DescriptorProto) -> None:
    for field in message.field:
        field.ClearField("json_name")
    for nested in message.nested_type:
        _clear_json_names(nested)


def stale(stubs: Path = STUBS) -> list[str]:
    """The names of the stubs that are not of this contract. Raises ValueError, OSError."""
    sys.path.insert(0, str(ROOT))
    from xapp.inference.v1 import inference_pb2, models_pb2  # noqa: PLC0415  (after the path)

    files = {"inference.pb.go": inference_pb2, "models.pb.go": models_pb2}
    return [
        name
        for name, module in files.items()
        if descriptor((stubs / name).read_text())
        != comparable(FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb))
    ]


if __name__ == "__main__":
    if found := stale():
        sys.exit(
            f"{', '.join(found)} in clients/go: of another contract than proto/, run clients/go/generate.sh"
        )
