"""Surveys a model before anything is measured with it.

A worker measures a model that is new on this machine while it has nothing to do (`xapp.engine.survey`). In a
comparison this is the turn of another server: it would get less CPU than it should, and the survey, disturbed
by that server, would not be kept for the next round either.

`python -m perf.survey_first --model FILE --settings JSON` surveys it, and prints whether the load had
found all measurements already.
"""

import sys
from functools import cache
from pathlib import Path

import msgspec

from perf import json_child
from perf.json_child import Child
from xapp.backend.llama_load import load
from xapp.backend.node import this_node
from xapp.config import EngineSettings
from xapp.engine.worker import new_engine

TRIES = 3
"""Another program may disturb a survey, which is then not kept."""


@cache
def survey_first(path: Path, settings: EngineSettings) -> None:
    """Returns once the measurements of the model are kept, or after TRIES. Raises ChildError.

    Settings without a survey need none.
    """
    if not settings.survey:
        return
    options = ("--model", str(path), "--settings", msgspec.json.encode(settings).decode())
    for _ in range(TRIES):
        with Child("perf.survey_first", *options) as child:
            if msgspec.json.decode(child.greeting, type=bool):
                return


def main(args: list[str]) -> None:
    """Surveys what is left, and prints `true` where nothing was left."""
    settings = msgspec.json.decode(json_child.option(args, "--settings"), type=EngineSettings)
    backend = load(json_child.option(args, "--model"), settings, this_node(), lambda _: None)
    engine = new_engine(backend, settings)
    was_known = not engine.may_survey
    while engine.may_survey:
        engine.survey()
    json_child.serve(lambda _: None, was_known)


if __name__ == "__main__":
    main(sys.argv[1:])
