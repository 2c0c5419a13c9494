"""Whether a principal learns by timing what others asked, and whether anything of theirs gets into answers.

    python -m perf.isolation [--scripted | --model NAME] [--trials 600] [--requests 100000]

`timing` says how the first is measured, `mixing` the second.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from perf.isolation.mixing import Mix
from perf.isolation.timing import SCRIPTED, attack, serving

AUC_BAR = 0.55
TOGETHER_TRIALS = 60
_TOGETHER = '[default]\nshares = "all"\n'


def main() -> int:
    """Prints JSON; exit status 1 where a bar is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m perf.isolation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--model", default="smollm2-135m-q4_1")
    which.add_argument("--scripted", dest="model", action="store_const", const=SCRIPTED)
    parser.add_argument("--trials", type=int, default=600, help="of principals of their own")
    parser.add_argument("--requests", type=int, default=100_000)
    options = parser.parse_args()
    result: dict[str, Any] = {"bar": AUC_BAR}
    few = min(options.trials, TOGETHER_TRIALS)
    for name, policy, trials in (("apart", "[default]\n", options.trials), ("one_group", _TOGETHER, few)):
        if options.trials:
            with (
                tempfile.TemporaryDirectory() as folder,
                serving(Path(folder), options.model, policy) as address,
            ):
                result[name] = asyncio.run(attack(address, trials))
    mix = Mix()
    mix.run(options.requests)
    result |= {"requests": mix.num_requests, "shared": mix.num_shared, "foreign": mix.num_foreign}
    print(json.dumps(result, indent=2))
    told = options.trials and result["apart"]["auc"] > AUC_BAR
    return 1 if told or mix.num_foreign else 0


if __name__ == "__main__":
    sys.exit(main())
