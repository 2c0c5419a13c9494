"""Copies the parts of a Debian root directory that a Python program needs: the root directory of the image.

    python scripts/image_root.py BASE TARGET

A file of a Debian package is copied where its package is one of `KEPT`. A file of no package is copied:
Python under /usr/local, certificates, links. So the image has no shell, no package manager and no perl.
`TARGET` keeps dpkg's status of the copied packages, which scanners and sbom.py read. Standard library only.
"""

import os
import re
import shutil
import stat
import sys
from collections.abc import Container, Iterator
from pathlib import Path

STATUS = Path("var/lib/dpkg/status")
KEPT = {
    *("base-files", "base-passwd", "ca-certificates", "media-types", "netbase", "tzdata", "usr-is-merged"),
    *("libbz2-1.0", "libc6", "libc-bin", "libcrypt1", "libexpat1", "libffi8", "libgcc-s1", "libgomp1"),
    *("liblzma5", "libsqlite3-0", "libssl3", "libstdc++6", "libuuid1", "zlib1g"),
    *("libpython3-stdlib", "libpython3.11-minimal", "libpython3.11-stdlib"),
    *("python3", "python3-minimal", "python3.11", "python3.11-minimal"),
}
_PYTHON = r"usr/(local/)?lib/python3(\.\d+)?/"
_DROPPED = re.compile(
    r"(proc|sys|dev|run|tmp|boot|media|mnt|srv|root|home)/.+"
    r"|var/(cache|log|lib|backups|tmp)/.+"
    r"|etc/(alternatives|apt|cron\.[a-z]+|dpkg|init\.d|ld\.so\.cache|logrotate\.d|pam\.[a-z]+|perl|rc.\.d|systemd|terminfo)(/.*)?"
    r"|usr/share/(bash-completion|bug|doc|doc-base|info|lintian|locale|man|perl5|pixmaps|python-wheels)/.*"
    r"|usr/lib/[^/]+/gconv/.*"
    r"|usr/local/(bin/(pip|idle|pydoc|2to3|python3?-config|python3\.\d+-config).*|include/.*|share/man/.*)"
    rf"|{_PYTHON}(config-[^/]+|dist-packages|distutils|ensurepip|idlelib|lib2to3|pydoc_data|site-packages|test"
    r"|tkinter|turtledemo|venv)/.*"
    r"|.*\.(a|pyc)"
)


def image_root(base: Path, target: Path) -> None:
    """Fills `target`, which need not exist. Owners, modes, times and links are those of `base`."""
    paragraphs = (base / STATUS).read_text().split("\n\n")
    foreign = set(files_of_others(base, paragraphs))
    for path in walk(base):
        name = str(path.relative_to(base))
        if not (is_foreign(path, name, foreign) or _DROPPED.fullmatch(name)):
            copy(path, target / name)
    (target / STATUS).parent.mkdir(parents=True, exist_ok=True)
    kept = [paragraph for paragraph in paragraphs if package(paragraph) in KEPT]
    (target / STATUS).write_text("\n\n".join(kept).strip() + "\n\n")


def is_foreign(path: Path, name: str, foreign: Container[str]) -> bool:
    """Whether it belongs to no kept package. A folder may have files of others."""
    if path.is_symlink() and path.readlink().is_relative_to("/etc/alternatives"):
        return True
    return name in foreign and not path.is_dir()


def package(paragraph: str) -> str:
    """The name of the package; "" for a paragraph without a name."""
    found = re.search(r"^Package: (\S+)$", paragraph, re.MULTILINE)
    return found[1] if found else ""


def files_of_others(base: Path, paragraphs: list[str]) -> Iterator[str]:
    """Files and links, not folders, of the packages that are not kept; relative to `base`."""
    info = base / "var/lib/dpkg/info"
    for name in filter(None, map(package, paragraphs)):
        if name in KEPT:
            continue
        for listed in (*info.glob(f"{name}.list"), *info.glob(f"{name}:*.list")):
            yield from (merged(line.lstrip("/")) for line in listed.read_text().splitlines())


def merged(name: str) -> str:
    """`usr/bin/NAME` for `bin/NAME`: the old folders are links to the new ones."""
    return f"usr/{name}" if re.match(r"(bin|sbin|lib|lib32|lib64|libx32)/", name) else name


def walk(base: Path) -> Iterator[Path]:
    """Every file, link and folder below, a folder before its content."""
    for folder, folders, files in os.walk(base):
        folders.sort()
        yield from (Path(folder, name) for name in sorted([*folders, *files]))


def copy(path: Path, target: Path) -> None:
    """One file, link or empty folder. A socket or a device is left out."""
    found = path.lstat()
    if stat.S_ISDIR(found.st_mode):
        target.mkdir(parents=True, exist_ok=True)
        shutil.copystat(path, target)
    elif stat.S_ISLNK(found.st_mode) or stat.S_ISREG(found.st_mode):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target, follow_symlinks=False)
    else:
        return
    os.chown(target, found.st_uid, found.st_gid, follow_symlinks=False)


if __name__ == "__main__":
    image_root(Path(sys.argv[1]), Path(sys.argv[2]))
