"""The `format` of a string in a JSON schema, as the pattern that a conforming text matches.

Each text of the pattern has the format. Not each text that has it can be written: times have no leap second,
and no year has a 29 February.
"""

from xapp.domain.format_kinds import FormatError

_HEX = "[0-9a-f]"
_DAY = "(0[1-9]|1[0-9]|2[0-8])"
_MONTHS = f"((0[1-9]|1[0-2])-{_DAY}|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
_DATE = f"[0-9]{{4}}-{_MONTHS}"
_HOUR, _SIXTY = "([01][0-9]|2[0-3])", "[0-5][0-9]"
_TIME = f"{_HOUR}:{_SIXTY}:{_SIXTY}(\\.[0-9]{{1,6}})?(Z|[+-]{_HOUR}:{_SIXTY})"
_BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_LABEL = "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?"

PATTERNS = {
    "date": _DATE,
    "time": _TIME,
    "date-time": f"{_DATE}T{_TIME}",
    "duration": "P([0-9]{1,6}W|[0-9]{1,6}D(T[0-9]{1,6}[HMS])?|T[0-9]{1,6}[HMS])",
    "uuid": f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}",
    "ipv4": f"{_BYTE}(\\.{_BYTE}){{3}}",
    "ipv6": f"({_HEX}{{1,4}}:){{7}}{_HEX}{{1,4}}",
    "hostname": f"{_LABEL}(\\.{_LABEL}){{0,5}}",
    "email": f"[a-z0-9_+-]{{1,32}}(\\.[a-z0-9_+-]{{1,32}}){{0,3}}@{_LABEL}(\\.{_LABEL}){{1,4}}",
}
"""Pattern of each format that is known."""


def pattern_of(name: object, place: str) -> str:
    """The anchored pattern. Raises FormatError for a format that is not known."""
    if not isinstance(name, str) or name not in PATTERNS:
        raise FormatError(place, f"{str(name)[:40]!r} is none of {', '.join(PATTERNS)}")
    return f"^({PATTERNS[name]})$"
