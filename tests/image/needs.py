"""What a machine must have to build the image and to run it."""

import os
import platform
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping

# Program → Debian's package.
PROGRAMS = {"podman": "podman", "runc": "runc", "debootstrap": "debootstrap", "openssl": "openssl"}
_MIRROR = "http://deb.debian.org/debian/dists/bookworm/Release"
_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
_ANSWERS_WITHIN_S = 20


def missing() -> str | None:
    """Why this machine cannot build and run the image, or None."""
    return next(reasons(), None)


def reasons(programs: Mapping[str, str] = PROGRAMS) -> Iterator[str]:
    """Each reason, the cheapest check first."""
    if os.geteuid() != 0:
        yield "needs root, for the base of the image, namespaces and limits"
    packages = [package for program, package in programs.items() if shutil.which(program) is None]
    if packages:
        yield f"needs programs that are not here: apt install {' '.join(packages)}"
    if not _has_base() and (fault := _fault_of_mirror()):
        yield f"needs Debian's packages, and cannot read {_MIRROR}: {fault}"


def _has_base() -> bool:
    command = ["podman", "image", "exists", f"localhost/genai-xapp-base:bookworm-{_ARCH}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _fault_of_mirror() -> str:
    try:
        with urllib.request.urlopen(_MIRROR, timeout=_ANSWERS_WITHIN_S) as answer:
            answer.read(1)
    except OSError as error:
        return str(error)
    return ""
