"""Are there known vulnerabilities in the locked dependencies?

python -m scripts.audit    exit 1 when there are

pip-audit asks the package index. An index that only passes packages on knows nothing of vulnerabilities, and
pip-audit says then that it found none. So what was not audited is told, and counts as nothing.
"""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"
LISTS = ("dev.txt", "build.txt")
TIMEOUT_S = 300


@dataclass
class Audit:
    """`vulnerable` has a line for each finding; `why_not` says why nothing was audited, "" where it was."""

    num_audited: int = 0
    skipped: list[str] = field(default_factory=list)
    vulnerable: list[str] = field(default_factory=list)
    why_not: str = ""


def read_report(output: str, errors: str) -> Audit:
    """What pip-audit printed."""
    try:
        dependencies = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = errors.strip().rpartition("\n")[2]
        return Audit(why_not=last[:300] or "pip-audit said nothing")
    found = Audit()
    for each in dependencies:
        if "skip_reason" in each:
            found.skipped.append(each["name"])
        else:
            found.num_audited += 1
            found.vulnerable += [_line(each, fault) for fault in each.get("vulns", [])]
    if not found.num_audited:
        found.why_not = "the index has no database of vulnerabilities"
    return found


def _line(dependency: dict[str, Any], fault: dict[str, Any]) -> str:
    fixed = ", ".join(fault.get("fix_versions", [])) or "no version"
    return f"{dependency['name']} {dependency['version']}: {fault['id']}, mended in {fixed}"


def audit(requirements: Path) -> Audit:
    """One list of locked packages."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--format", "json"]
    command += ["--progress-spinner", "off", "-r", str(requirements)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return Audit(why_not=f"no answer within {TIMEOUT_S} s")
    return read_report(done.stdout, done.stderr)


def say(name: str, found: Audit) -> str:
    """What came of it, for people."""
    if found.why_not:
        return f"{name}: SKIPPED, nothing was audited: {found.why_not}"
    lines = [
        f"{name}: {found.num_audited} audited, {len(found.vulnerable)} vulnerabilities",
        *found.vulnerable,
    ]
    if found.skipped:
        lines.append(f"not audited: {', '.join(found.skipped)}")
    return "\n  ".join(lines)


def main() -> int:
    """All lists."""
    results = {name: audit(REQUIREMENTS / name) for name in LISTS}
    for name, found in results.items():
        print(say(name, found))
    return 1 if any(found.vulnerable for found in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
