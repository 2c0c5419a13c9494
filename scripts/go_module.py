"""Puts the Go client as a module with a version into a folder that Go takes as a module proxy.

python -m scripts.go_module FOLDER

The version is that of pyproject.toml. A web server of the folder's files is a module proxy as well.
"""

import argparse
import json
import re
import shutil
import tomllib
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "clients" / "go"
_KINDS = (".go", ".mod", ".sum")
_EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
"""A fixed time, so that the same sources make the same bytes."""


def module_path() -> str:
    """The path that go.mod states."""
    found = re.match(r"module (\S+)\n", (SOURCE / "go.mod").read_text())
    assert found, "go.mod begins with its module"
    return found[1]


def version() -> str:
    """The version of the project, as Go writes it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return f"v{project['version']}"


def files() -> Iterator[tuple[str, bytes]]:
    """The module's files by their names in it. Go asks for the licence of the repository's root."""
    yield "LICENSE", (ROOT / "LICENSE").read_bytes()
    for path in sorted(SOURCE.rglob("*")):
        if path.is_file() and path.suffix in _KINDS:
            yield path.relative_to(SOURCE).as_posix(), path.read_bytes()


def publish(folder: Path, tag: str) -> Path:
    """Adds the version `tag`, and returns the folder of the module's versions."""
    versions = folder / module_path() / "@v"
    versions.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(versions / f"{tag}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files():
            entry = zipfile.ZipInfo(f"{module_path()}@{tag}/{name}", _EARLIEST.timetuple()[:6])
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    shutil.copy(SOURCE / "go.mod", versions / f"{tag}.mod")
    about = {"Version": tag, "Time": _EARLIEST.strftime("%Y-%m-%dT%H:%M:%SZ")}
    (versions / f"{tag}.info").write_text(json.dumps(about))
    known = sorted(path.stem for path in versions.glob("*.zip"))
    (versions / "list").write_text("".join(f"{each}\n" for each in known))
    return versions


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m scripts.go_module", description=__doc__)
    parser.add_argument("folder", type=Path, help="is made where it is missing")
    folder = parser.parse_args().folder.resolve()
    print(publish(folder, version()) / f"{version()}.zip")


if __name__ == "__main__":
    main()
