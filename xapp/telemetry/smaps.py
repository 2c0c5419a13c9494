"""Proportional set sizes, as Linux writes them in smaps and smaps_rollup."""

import re

_MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+ *(.*)$")


def parse_pss(rollup: str) -> int:
    """The Pss line of a smaps_rollup, in bytes. Raises ValueError without one."""
    for line in rollup.splitlines():
        if (size := _pss_of(line)) is not None:
            return size
    raise ValueError("no Pss in smaps_rollup")


def parse_file_pss(smaps: str, path: str) -> int:
    """Sums Pss over the mappings of `path` in a smaps file, bytes."""
    total = 0
    inside = False
    for line in smaps.splitlines():
        if mapping := _MAPPING.match(line):
            inside = mapping[1] == path
        elif inside:
            total += _pss_of(line) or 0
    return total


def _pss_of(line: str) -> int | None:
    return int(line.split()[1]) * 1024 if line.startswith("Pss:") else None
