"""The Python side of `llm` against a node: run in an environment of its own.

LLM_USER_PATH=FOLDER python llm_caller.py MODEL    FOLDER has extra-openai-models.yaml
"""

import sys

import llm

model = llm.get_model(sys.argv[1])
asked: list[str] = []


def read_load(cell: str) -> str:
    """Read the load of a cell in percent."""
    asked.append(cell)
    return "87"


pieces = list(model.prompt("What is O-RAN?", temperature=0, max_tokens=16))
assert len(pieces) > 1, pieces
print("streamed")

# `llm` lets the model choose whether it calls.
options = {"temperature": 0, "max_tokens": 60}
chain = model.conversation().chain(
    "Read the load of cell C12.", tools=[read_load], options=options, chain_limit=3
)
assert "".join(chain) or asked
print("tools")
