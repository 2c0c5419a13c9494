"""Fuzzes one target in this process: python -m tests.fuzz.child NAME FOLDER SECONDS SEED

FOLDER gets the inputs that reach new code, and `crash-…` for a defect. With atheris the coverage of the code
guides the inputs; without it they are changes of the kept ones at random.
"""

import random
import sys
from pathlib import Path
from time import monotonic

CORPUS = Path(__file__).with_name("corpus")
MAX_BYTES = 4096
_MEMORY_MB = 2048
_ONE_INPUT_S = 20


def _guided(name: str, folder: Path, seconds: int, seed: int) -> None:
    import atheris  # noqa: PLC0415  not on every platform

    with atheris.instrument_imports(include=["xapp"]):
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415

    options = [
        *(f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={MAX_BYTES}"),
        *(f"-rss_limit_mb={_MEMORY_MB}", f"-timeout={_ONE_INPUT_S}", f"-artifact_prefix={folder}/"),
        *("-verbosity=0", "-print_final_stats=1"),
    ]
    atheris.Setup([sys.argv[0], *options, str(folder), str(CORPUS / name)], TARGETS[name])
    atheris.Fuzz()


def _at_random(name: str, folder: Path, seconds: int, seed: int) -> None:
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415

    rng, kept = random.Random(seed), [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
    ends_at, count = monotonic() + seconds, 0
    while monotonic() < ends_at:
        data = _changed(rng, kept)
        count += 1
        try:
            TARGETS[name](data)
        except BaseException:
            (folder / f"crash-{count}").write_bytes(data)
            raise
    print(f"stat::number_of_executed_units: {count}", file=sys.stderr)


def _changed(rng: random.Random, kept: list[bytes]) -> bytes:
    data = bytearray(rng.choice(kept))
    for _ in range(rng.randint(1, 8)):
        at = rng.randint(0, len(data))
        match rng.randrange(4):
            case 0:
                data[at:at] = rng.randbytes(rng.randint(1, 4))
            case 1:
                del data[at : at + rng.randint(1, 16)]
            case 2:
                data[at : at + 1] = rng.randbytes(1)
            case 3:
                other = rng.choice(kept)
                begin = rng.randint(0, len(other))
                data[at:at] = other[begin : begin + 64]
    return bytes(data[:MAX_BYTES])


def main() -> None:
    """See the module."""
    name, folder, seconds, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    try:
        _guided(name, folder, seconds, seed)
    except ImportError:
        _at_random(name, folder, seconds, seed)


if __name__ == "__main__":
    main()
