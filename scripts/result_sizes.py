"""Checks what is committed of results: at most LIMIT bytes in all, and no HTML.

python -m scripts.result_sizes
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

FOLDER = "perf/results"
LIMIT = 300_000
_SHOWN = 5
_ADVICE = (
    "pack result files with `python -m scripts.pack_results FILE --to perf/results/NAME`, leave out samples "
    "with --figures-only, and write a report with `genai-xapp bench report --text`"
)


def main() -> None:
    """Exits 1 and says what is too much."""
    command = ["git", "ls-files", "-z", FOLDER]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    names = listed.split("\0")
    sizes = {name: Path(name).stat().st_size for name in names if name and Path(name).exists()}
    found = list(faults(sizes))
    if found:
        print("\n".join([*found, _ADVICE]), file=sys.stderr)
        sys.exit(1)


def faults(sizes: Mapping[str, int]) -> Iterator[str]:
    """What is wrong with files of these sizes in bytes."""
    total = sum(sizes.values())
    if total > LIMIT:
        largest = sorted(sizes.items(), key=lambda item: -item[1])[:_SHOWN]
        told = ", ".join(f"{name} {size // 1000} kB" for name, size in largest)
        most = f"at most {LIMIT // 1000} kB may be committed"
        yield f"{FOLDER}: {total // 1000} kB, {most}; the largest: {told}"
    pages = (name for name in sizes if name.endswith(".html"))
    yield from (f"{name}: no HTML is committed, `bench report` makes it anew" for name in pages)


if __name__ == "__main__":
    main()
