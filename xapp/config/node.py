"""`[node]`: the name of this node, and the models that it serves."""

import msgspec

from xapp.config.values import Positive
from xapp.folders import default_models_dir


class NodeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`model` is the default model. `models` are also loaded at the start, separated by commas."""

    name: str = ""
    model: str = "smollm2-135m-q4_1"
    models: str = ""
    models_dir: str = msgspec.field(default_factory=default_models_dir)
    max_models: Positive = 4
