"""Fuzzes what strangers send, and files of models and tasks: python -m tests.fuzz [--seconds 60] [NAME...]

The time is shared by the targets. Exit code 1: an input is a defect. It is in the folder that the output
names.
A file put into tests/fuzz/corpus/NAME is tried by every run of the tests.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from time import time

from tests.fuzz.targets import TARGETS

MEMORY_BYTES = 4_000_000_000
"""Address space of a target's process."""
_PATIENCE_S = 60


def _fuzz(name: str, seconds: int, seed: int) -> bool:
    """Whether the target holds."""
    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    arguments = [name, str(folder), str(seconds), str(seed)]
    command = [sys.executable, "-m", "tests.fuzz.child", *arguments]
    limited = ["prlimit", f"--as={MEMORY_BYTES}", *command]
    done = subprocess.run(limited, capture_output=True, text=True, timeout=seconds + _PATIENCE_S, check=False)
    units = re.findall(r"number_of_executed_units: *(\d+)", done.stderr)
    print(f"{name}: {units[-1] if units else '?'} inputs, seed {seed}", flush=True)
    if done.returncode:
        print(done.stderr[-4000:])
        print(f"{name}: a defect; inputs: {folder}")
        print(f"repeat: python -m tests.fuzz --seconds {seconds} --seed {seed} {name}")
    return done.returncode == 0


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*TARGETS, []], metavar="NAME", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="how long in all")
    parser.add_argument("--seed", type=int, default=int(time()) % 1_000_000)
    options = parser.parse_args()
    names = options.names or list(TARGETS)
    each_s = max(1, options.seconds // len(names))
    held = [_fuzz(name, each_s, options.seed) for name in names]
    if not all(held):
        sys.exit(1)


if __name__ == "__main__":
    main()
