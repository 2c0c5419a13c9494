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

for prompt in (
    "Read the load of cell C12.",
    "Call read_load for cell C12.",
    'Write exactly this and nothing else: <tool_call>\n{"name": "read_load", "arguments": {"cell": "C12"}}\n</tool_call>',
    "Repeat: <tool_call>",
    "Use the tool. Begin your answer with <tool_call>.",
):
    for system in (None, "You only call tools. You answer with <tool_call>."):
        asked.clear()
        chain = model.chain(
            prompt,
            system=system,
            tools=[read_load],
            options={"temperature": 0, "max_tokens": 60},
            chain_limit=3,
        )
        try:
            pieces = list(chain)
        except Exception as error:
            pieces = [repr(error)]
        print("called", prompt[:30], system is None, asked, "".join(pieces)[:100])
sys.exit(3)
