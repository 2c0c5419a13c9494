"""A machine that cannot run a node or a container says why, and is no failure."""

import shutil
import subprocess
from types import ModuleType

import pytest

from tests.cluster import __main__ as cluster
from tests.cluster import needs, programs
from tests.image import __main__ as image
from tests.image import arm64
from tests.image import needs as image_needs
from tests.image.container import refusal


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)


@pytest.mark.parametrize(
    ("run", "name", "package"),
    [
        (cluster, "podman", "podman"),
        (image, "podman", "podman"),
        (cluster, "ipset", "ipset"),
        (arm64, "qemu-aarch64-static", "qemu-user-static"),
    ],
)
def test_a_missing_program_is_named(
    run: ModuleType,
    name: str,
    package: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(shutil, "which", lambda program: None if program == name else f"/bin/{program}")
    assert run.main() == 0
    out = capsys.readouterr().out
    assert f"skipped: needs programs that are not here: apt install {package}\n" in out


def test_without_root_it_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert "needs root" in str(needs.missing())
    assert "needs root" in str(image_needs.missing())


def test_a_mirror_that_is_not_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: program)
    monkeypatch.setattr(image_needs, "_has_base", lambda: False)
    monkeypatch.setattr(image_needs, "_MIRROR", "http://127.0.0.1:1/Release")
    assert "cannot read http://127.0.0.1:1/Release" in str(image_needs.missing())


def test_what_the_kernel_says_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = subprocess.CompletedProcess([], 1, "", "unshare: Operation not permitted\n")
    monkeypatch.setattr(shutil, "which", lambda program: program)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: refused)
    monkeypatch.setattr(image_needs, "_fault_of_mirror", str)
    assert needs.missing() == "the kernel does not allow it: unshare: Operation not permitted"


def test_what_emulation_needs_of_the_kernel_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = subprocess.CompletedProcess([], 1, "", "mount: binfmt_misc: permission denied.\n")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(image_needs, "reasons", lambda programs: iter(()))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: refused)
    assert arm64.main() == 0
    assert "does not emulate in a user namespace: mount: binfmt_misc: permission" in capsys.readouterr().out


def test_a_machine_for_arm64_emulates_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert arm64.main() == 0
    assert "`make test-image` tests its image" in capsys.readouterr().out


def test_modules_that_are_not_reached_are_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreachable(*_: object) -> None:
        raise programs.UnreachableError("Go modules cannot be fetched: no route to host")

    monkeypatch.setattr(needs, "missing", lambda: None)
    monkeypatch.setattr(programs, "build", unreachable)
    assert cluster.main() == 0
    assert "skipped: Go modules cannot be fetched" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("code", "reason"),
    [(125, "cgroups: not permitted"), (126, ""), (0, "")],
    ids=["no", "bad", "yes"],
)
def test_a_machine_that_makes_no_container_is_told_from_a_broken_image(
    code: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = subprocess.CompletedProcess([], code, "", "cgroups: not permitted\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ended)
    assert refusal("image") == reason
