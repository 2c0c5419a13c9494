"""How long one command takes to its first token: python -m perf.first_token [--model NAME] [--times 5]

Each time `genai-xapp run` starts a server of its own, with the model on disk and no measurement of it kept
from before. Prints the seconds to the first byte of the answer, and the CPU seconds of all processes until
their end.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from statistics import median

from perf.process_under_test import HOST, free_port
from xapp.models.paths import models_dir

QUESTION = b"What is O-RAN?\n"


def first_token(model: str) -> tuple[float, float]:
    """Seconds to the first token, and CPU seconds. Raises SystemExit where no answer came."""
    command = [sys.executable, "-m", "xapp.cli", "run", model, "--max-tokens", "1"]
    nobody = f"{HOST}:{free_port(HOST)}"
    before, began = _cpu_s(), time.monotonic()
    with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [*command, "--target", nobody],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "XAPP_MODELS_DIR": str(models_dir(os.environ)), "XDG_CACHE_HOME": cache},
        )
        assert process.stdin is not None
        assert process.stdout is not None
        with process:
            process.stdin.write(QUESTION)
            process.stdin.close()
            answered = bool(process.stdout.read(1))
            first_s = time.monotonic() - began
            process.stdout.read()
        if not answered or process.returncode:
            errors.seek(0)
            raise SystemExit(errors.read().decode(errors="replace"))
    return first_s, _cpu_s() - before


def _cpu_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m perf.first_token", description=__doc__)
    parser.add_argument("--model", default="smollm2-135m-q4_1")
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    seen = []
    for turn in range(options.times):
        seen.append(first_token(options.model))
        print(f"{turn + 1}: {seen[-1][0]:.3f} s, CPU {seen[-1][1]:.2f} s", flush=True)
    first_s, cpu_s = zip(*seen, strict=True)
    print(
        f"{options.model}, {len(seen)} times: first token after {median(first_s):.3f} s,"
        f" most {max(first_s):.3f} s, CPU {median(cpu_s):.2f} s, load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
