"""Whether passages help: multiple-choice questions, asked with and without the passages of a collection."""

from perf.data.questions import MultipleChoice
from xapp.client import Client, choices, user
from xapp.inference.v1 import inference_pb2 as pb

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


async def is_right(client: Client, question: MultipleChoice, collection: str) -> bool:
    """Whether the model answers with the right letter. `collection` "" is without passages."""
    letters = LETTERS[: len(question.choices)]
    listed = "\n".join(
        f"{letter}. {choice}" for letter, choice in zip(letters, question.choices, strict=True)
    )
    prompt = f"{question.question}\n{listed}\nAnswer with the letter alone."
    retrieval = pb.Retrieval(collection=collection, query=question.question, top_k=3) if collection else None
    text = ""
    answer = client.generate([user(prompt)], format=choices(*letters), max_tokens=8, retrieval=retrieval)
    async for event in answer:
        text += event.chunk.text
    return text.strip() == LETTERS[question.right]
