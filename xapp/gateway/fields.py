"""Reads a JSON body into a struct of the dialect: nothing unknown, nothing ignored in silence.

Every field is one of three kinds: the struct has it; the dialect has it and this service does not, so that
only a value without effect is accepted; or nobody knows it.
"""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from xapp.errors import InvalidArgument
from xapp.near import did_you_mean

MAX_SHOWN_CHARS = 64
_Struct = TypeVar("_Struct", bound=msgspec.Struct)
_PLACE = re.compile(r" - at `\$\.?(.*)`$")
_NAMED = re.compile(r"^Object (?:contains unknown|missing required) field `(.*)`", re.DOTALL)
_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Unsupported(msgspec.Struct, frozen=True):
    """A field of the dialect that this service does not have.

    `harmless` are its JSON values without effect, which are accepted. `hint` says what to do instead.
    """

    harmless: tuple[Any, ...] = ()
    hint: str = ""


def read_fields(body: bytes, kind: type[_Struct], unsupported: Mapping[str, Unsupported]) -> _Struct:
    """The body as a `kind`. Raises InvalidArgument with the field, in the dialect's spelling."""
    given = _decode(body)
    known = kind.__struct_fields__
    for name, value in given.items():
        if name in unsupported:
            _check_harmless(name, value, unsupported[name])
        elif name not in known:
            raise _unknown(name, (*known, *unsupported))
    fields = {name: value for name, value in given.items() if name in known}
    try:
        return msgspec.json.decode(msgspec.json.encode(fields), type=kind)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from error
    except RecursionError:
        raise InvalidArgument("body", "nests too deeply") from None


def _decode(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        body.decode()  # the decoder skips values, and would find their wrong bytes later
        return _decoder.decode(body)
    except msgspec.ValidationError:
        raise InvalidArgument("body", "must be a JSON object", reason="MALFORMED_REQUEST") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidArgument("body", f"is no JSON: {error}", reason="MALFORMED_REQUEST") from error
    except RecursionError:
        raise InvalidArgument("body", "nests too deeply") from None


def _check_harmless(name: str, value: msgspec.Raw, field: Unsupported) -> None:
    try:
        given = msgspec.json.decode(value)
    except RecursionError:
        raise InvalidArgument(name, "nests too deeply") from None
    if given is None or any(given == each and type(given) is type(each) for each in field.harmless):
        return
    hint = f": {field.hint}" if field.hint else ""
    raise InvalidArgument(name, f"is not supported by this service{hint}", reason="UNSUPPORTED_FIELD")


def _unknown(name: str, known: tuple[str, ...]) -> InvalidArgument:
    shown = name[:MAX_SHOWN_CHARS]
    return InvalidArgument(shown, f"is no known field{did_you_mean(name, known)}", reason="UNKNOWN_FIELD")


def _invalid(message: str) -> InvalidArgument:
    """Msgspec names the place at its end. Of a field that is unknown or missing, it is the object around."""
    found = _PLACE.search(message)
    text = message[: found.start()] if found else message
    names = [found[1]] if found and found[1] else []
    if named := _NAMED.match(text):
        names.append(named[1])
    field = ".".join(names)[:MAX_SHOWN_CHARS]
    reason = "UNKNOWN_FIELD" if "unknown field" in text else None
    return InvalidArgument(field or "body", text[:1].lower() + text[1:], reason=reason)
