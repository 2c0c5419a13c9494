"""Builds the image and runs the tests of this folder on it: python -m tests.image [OPTION OF PYTEST...].

Where the machine cannot build or run a container it says why, and ends with 0. IMAGE names an image that
there is already.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.image.build import IMAGE, ImageError, build_image
from tests.image.container import refusal
from tests.image.needs import missing


def main() -> int:
    """The exit code of pytest."""
    if reason := missing():
        print(f"the tests of the image are skipped: {reason}")
        return 0
    image = os.environ.get("IMAGE")
    if image is None:
        print("building the image (minutes on a new machine, seconds later)", flush=True)
        build_image()
    if reason := refusal(image or IMAGE):
        print(f"the tests of the image are skipped: no container can be made: {reason}")
        return 0
    pytest = [sys.executable, "-m", "pytest", str(Path(__file__).parent), "-p", "no:cacheprovider"]
    environment = {**os.environ, "GENAI_XAPP_IMAGE": image or IMAGE}
    return subprocess.run([*pytest, *sys.argv[1:]], env=environment, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ImageError as error:
        sys.exit(f"tests.image: {error}")
