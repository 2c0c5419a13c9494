"""The image's root directory has what Python needs, and neither a shell nor a package manager."""

from pathlib import Path

import pytest

from scripts.image_root import image_root, merged

INFO = "var/lib/dpkg/info"


def paragraph(package: str) -> str:
    return f"Package: {package}\nStatus: install ok installed\nVersion: 1\n"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A root directory of two packages and of some files that belong to none."""
    base = tmp_path / "base"
    files = {
        "usr/bin/python3.11": "",
        "usr/bin/bash": "",
        "usr/lib/python3.11/os.py": "",
        "usr/lib/python3.11/test/test_os.py": "",
        "usr/local/bin/python3.12": "",
        "usr/share/doc/bash/copyright": "",
        "etc/ssl/certs/ca-certificates.crt": "",
        "tmp/left": "",
        "var/lib/dpkg/status": paragraph("bash") + "\n" + paragraph("python3.11") + "\n",
        f"{INFO}/bash.list": "/.\n/bin\n/bin/bash\n/usr\n/usr/share/doc/bash/copyright\n",
        f"{INFO}/python3.11.list": "/usr/bin/python3.11\n",
    }
    for name, text in files.items():
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (base / "bin").symlink_to("usr/bin")
    (base / "usr/bin/awk").symlink_to("/etc/alternatives/awk")
    (base / "usr/bin/python3").symlink_to("python3.11")
    return base


def names(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir() or path.is_symlink()}


def test_only_what_python_needs_is_copied(base: Path, tmp_path: Path) -> None:
    image_root(base, tmp_path / "image")
    assert names(tmp_path / "image") == {
        *("bin", "usr/bin/python3", "usr/bin/python3.11", "usr/local/bin/python3.12"),
        *("usr/lib/python3.11/os.py", "etc/ssl/certs/ca-certificates.crt", "var/lib/dpkg/status"),
    }


def test_the_status_names_the_packages_that_are_there(base: Path, tmp_path: Path) -> None:
    image_root(base, tmp_path / "image")
    assert (tmp_path / "image/var/lib/dpkg/status").read_text() == paragraph("python3.11").strip() + "\n\n"


def test_modes_and_links_stay(base: Path, tmp_path: Path) -> None:
    (base / "usr/bin/python3.11").chmod(0o755)
    (base / "tmp").chmod(0o1777)
    image_root(base, tmp_path / "image")
    assert (tmp_path / "image/usr/bin/python3.11").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "image/tmp").stat().st_mode & 0o7777 == 0o1777
    assert (tmp_path / "image/usr/bin/python3").readlink() == Path("python3.11")


@pytest.mark.parametrize(
    ("name", "now"),
    [
        ("bin/sh", "usr/bin/sh"),
        ("lib64/ld.so", "usr/lib64/ld.so"),
        ("bin", "bin"),
        ("libexec/x", "libexec/x"),
    ],
)
def test_old_folders_are_links(name: str, now: str) -> None:
    assert merged(name) == now
