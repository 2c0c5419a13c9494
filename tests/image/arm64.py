"""Cross-compiles the image for arm64 and runs it under QEMU.

    python -m tests.image.arm64 [OPTION OF PYTEST...]

Where the machine cannot do that it says why, and ends with 0. IMAGE names an image for arm64 that there is
already.
"""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.image import needs
from tests.image.build import IMAGE, ROOT, ImageError, build

IMAGE_ARM64 = f"{IMAGE}-arm64"
EMULATE = str(ROOT / "docker" / "emulate")
PROGRAMS = {**needs.PROGRAMS, "qemu-aarch64-static": "qemu-user-static"}


def main() -> int:
    """The exit code of pytest."""
    if reason := next(reasons(), None):
        print(f"the tests of the image for arm64 are skipped: {reason}")
        return 0
    image = os.environ.get("IMAGE")
    if image is None:
        print("building the image for arm64 (ten minutes or more at first, two minutes later)", flush=True)
        build_image()
    tests = str(Path(__file__).parent / "test_arm64.py")
    # All of it is inside: the kernel emulates arm64 for the processes of one user namespace.
    command = [EMULATE, sys.executable, "-m", "pytest", tests, "-p", "no:cacheprovider", *sys.argv[1:]]
    environment = {**os.environ, "GENAI_XAPP_IMAGE_ARM64": image or IMAGE_ARM64}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def build_image() -> None:
    """Builds IMAGE_ARM64 as `make image PLATFORM=linux/arm64 BASE=debian` does. Raises ImageError."""
    settings = {"BASE": "debian", "PLATFORM": "linux/arm64", "IMAGE": IMAGE_ARM64}
    build([str(ROOT / "docker" / "build")], settings)


def reasons() -> Iterator[str]:
    """Why this machine cannot do it, each reason, the cheapest check first."""
    if platform.machine() == "aarch64":
        yield "this machine is for arm64: `make test-image` tests its image"
    yield from needs.reasons(PROGRAMS)
    if fault := _fault_of_emulation():
        yield f"the kernel does not emulate in a user namespace: {fault}"


def _fault_of_emulation() -> str:
    done = subprocess.run([EMULATE, "true"], capture_output=True, text=True, check=False)
    return (done.stderr.strip() or f"code {done.returncode}") if done.returncode else ""


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ImageError as error:
        sys.exit(f"tests.image.arm64: {error}")
