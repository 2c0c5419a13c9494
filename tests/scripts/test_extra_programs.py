"""docker/extra-programs adds Debian's packages to a root directory. A stand-in of apt-get brings them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HERE = "Package: libc6\nStatus: install ok installed\nVersion: 1\n\n"
pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb, which Debian has")


class Image:
    """A root directory with libc6, and a mirror that has packages."""

    def __init__(self, folder: Path) -> None:
        self.root, self.mirror, self._folder = folder / "image", folder / "mirror", folder
        (self.root / "usr/lib").mkdir(parents=True)
        (self.root / "lib").symlink_to("usr/lib")
        self.status = self.root / "var/lib/dpkg/status"
        self.status.parent.mkdir(parents=True)
        self.status.write_text(HERE)
        self.mirror.mkdir()
        program = folder / "bin/apt-get"
        program.parent.mkdir()
        program.write_text(
            "#!/bin/bash\n"
            f'printf "%s\\n" "$@" >> {folder}/asked\n'
            'for word; do case "$word" in Dir::Cache::Archives=*) archives="${word#*=}" ;; esac; done\n'
            f'case " $* " in *" install "*) cp {self.mirror}/*.deb "$archives" ;; esac\n'
        )
        program.chmod(0o755)

    def offer(self, name: str, *files: str) -> None:
        """A package with these files. Their text is the package's name."""
        made = self._folder / "made" / name
        for file in files:
            (made / file).parent.mkdir(parents=True, exist_ok=True)
            (made / file).write_text(name)
        (made / "DEBIAN").mkdir(parents=True)
        control = f"Package: {name}\nVersion: 2\nArchitecture: all\nMaintainer: a <a@b>\nDescription: d\n"
        (made / "DEBIAN/control").write_text(control)
        command = ["dpkg-deb", "--root-owner-group", "--build", str(made), str(self.mirror / f"{name}.deb")]
        subprocess.run(command, check=True, capture_output=True, timeout=30)

    def add(self, machine: str, extras: str) -> None:
        environment = {**os.environ, "PATH": f"{self._folder}/bin:{os.environ['PATH']}"}
        command = [str(ROOT / "docker/extra-programs"), str(self.root), machine, extras]
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=30)

    @property
    def asked(self) -> list[str]:
        words = self._folder / "asked"
        return words.read_text().splitlines() if words.exists() else []


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return Image(tmp_path)


@pytest.mark.parametrize("extras", ["", "retrieval,postgres"])
def test_an_image_without_speech_gets_no_program(image: Image, extras: str) -> None:
    image.add("x86_64", extras)
    assert image.asked == []
    assert image.status.read_text() == HERE


@pytest.mark.parametrize("extras", ["speech", "retrieval,speech,postgres"])
@pytest.mark.parametrize(("machine", "arch"), [("x86_64", "amd64"), ("aarch64", "arm64")])
def test_speech_brings_espeak_for_the_images_architecture(
    image: Image, extras: str, machine: str, arch: str
) -> None:
    image.offer("espeak-ng", "usr/bin/espeak-ng")
    image.add(machine, extras)
    assert image.asked[-2:] == ["install", "espeak-ng"]
    assert "--no-install-recommends" in image.asked
    assert set(image.asked) >= {f"APT::Architecture={arch}", f"APT::Architectures={arch}"}
    assert (image.root / "usr/bin/espeak-ng").read_text() == "espeak-ng"


def test_what_the_image_has_already_stays_as_it_is(image: Image) -> None:
    (image.root / "usr/lib/libc.so.6").write_text("the base's")
    image.offer("libc6", "lib/libc.so.6")
    image.add("x86_64", "speech")
    assert (image.root / "usr/lib/libc.so.6").read_text() == "the base's"
    assert image.status.read_text() == HERE


def test_the_old_folders_stay_links_to_the_new_ones(image: Image) -> None:
    image.offer("libgpg-error0", "lib/libgpg-error.so.0")
    image.add("x86_64", "speech")
    assert (image.root / "lib").is_symlink()
    assert (image.root / "usr/lib/libgpg-error.so.0").is_file()


def test_the_status_names_what_was_added(image: Image) -> None:
    image.offer("espeak-ng", "usr/bin/espeak-ng")
    image.offer("libsonic0", "usr/lib/libsonic.so.0")
    image.add("x86_64", "speech")
    first, *added = image.status.read_text().strip().split("\n\n")
    assert first == HERE.strip()
    assert [each.splitlines()[:3] for each in added] == [
        [f"Package: {name}", "Status: install ok installed", "Version: 2"]
        for name in ("espeak-ng", "libsonic0")
    ]


def test_licences_come_with_the_programs_and_manuals_do_not(image: Image) -> None:
    folder = "usr/share/doc/espeak-ng"
    kept = f"{folder}/copyright"
    dropped = (f"{folder}/changelog.gz", f"{folder}/README", "usr/share/man/man1/espeak-ng.1")
    image.offer("espeak-ng", kept, *dropped)
    image.add("x86_64", "speech")
    assert (image.root / kept).is_file()
    assert not [name for name in dropped if (image.root / name).exists()]


def test_the_recipe_adds_the_programs_before_it_lists_the_packages() -> None:
    recipe = (ROOT / "docker/Dockerfile").read_text()
    adding = recipe.index('RUN extra-programs /image "$(cat /target-machine)" "${EXTRAS}"')
    assert recipe.index("scripts/image_root.py") < adding < recipe.index("scripts/sbom.py")
    assert "!docker/extra-programs" in (ROOT / "docker/Dockerfile.dockerignore").read_text().splitlines()
