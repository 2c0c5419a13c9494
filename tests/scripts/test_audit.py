"""The audit of dependencies: nothing audited is never taken for nothing found."""

import json

import pytest

from scripts.audit import read_report, say

GOOD = {"name": "click", "version": "8.5.1", "vulns": []}
BAD = {"name": "jinja2", "version": "3.0", "vulns": [{"id": "CVE-1", "fix_versions": ["3.1"]}]}
UNKNOWN = {"name": "own", "skip_reason": "not found"}


def report(*dependencies: object) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


def test_a_vulnerability_names_what_mends_it() -> None:
    found = read_report(report(GOOD, BAD, UNKNOWN), "")
    assert (found.num_audited, found.skipped) == (2, ["own"])
    assert found.vulnerable == ["jinja2 3.0: CVE-1, mended in 3.1"]
    assert "not audited: own" in say("dev.txt", found)


@pytest.mark.parametrize(
    ("output", "errors"),
    [
        ("", "Traceback …\nrequests.exceptions.ConnectionError: no route"),
        ("", ""),
        ("null", ""),
        (report(UNKNOWN), "No known vulnerabilities found"),
        (report(), ""),
    ],
)
def test_what_could_not_be_audited_is_said(output: str, errors: str) -> None:
    found = read_report(output, errors)
    assert found.why_not
    assert say("dev.txt", found).startswith("dev.txt: SKIPPED, nothing was audited: ")
