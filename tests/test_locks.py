"""The lock files: every requirement pinned and hashed, all agreeing, and no address in them."""

import re
import tomllib
from pathlib import Path

import pytest

from xapp.models.catalogue import catalogue

ROOT = Path(__file__).resolve().parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def entries(path: Path) -> dict[str, tuple[str, list[str]]]:
    """Name to version and hashes."""
    found = {}
    for block in path.read_text().replace("\\\n", " ").splitlines():
        head = re.match(r"([a-z0-9.-]+)==([^\s;]+)", block)
        assert head, f"{path.name}: not a pinned requirement: {block[:80]}"
        found[head[1]] = (head[2], re.findall(r"--hash=sha256:([0-9a-f]{64})", block))
    return found


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_pinned_hashed_and_without_an_address(path: Path) -> None:
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host", path.read_text())
    pins = entries(path)
    assert pins
    assert [name for name, (_, hashes) in pins.items() if not hashes] == []


def test_locks_agree() -> None:
    versions: dict[str, set[str]] = {}
    for path in LOCKS:
        for name, (version, _) in entries(path).items():
            versions.setdefault(name, set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_what_the_project_names_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for lock, wanted in {
        "base.txt": project["dependencies"],
        "server.txt": project["dependencies"] + extras["server"],
        "dev.txt": project["dependencies"] + extras["server"] + extras["bench"] + extras["dev"],
    }.items():
        locked = set(entries(ROOT / "requirements" / lock)) | {"llama-cpp-python"}
        names = {re.split(r"[<>=\[;! ]", line)[0].replace("_", "-") for line in wanted}
        assert names - locked == set(), f"{lock}: run 'make lock'"


def test_the_catalogue_and_the_lock_agree_on_the_packaged_model() -> None:
    ((name, (version, hashes)),) = entries(ROOT / "requirements" / "model.txt").items()
    packages = [entry.package for entry in catalogue().values() if entry.package]
    assert [(p.requirement, p.sha256 in hashes) for p in packages] == [(f"{name}=={version}", True)]
