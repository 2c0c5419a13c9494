"""The texts by which a little model is asked how hard a request is and how long its answer will be."""

SELF_RATING = (
    "Assuming there is a 10-times more powerful model than you are. I will ask a question. You need to tell"
    " me if it's better for you or the more powerful model to answer."
)
WHO_ANSWERS = ("It is better for me to answer.", "It is better for the more powerful model to answer.")
"""Answers to SELF_RATING: this model, the more powerful model."""
DIFFICULTY = ("Difficulty: easy", "Difficulty: hard")
"""Beginnings of an answer, behind the prompt of a request. They share its cells, and cost a few tokens."""
ANSWER_LENGTH = tuple(f"Length of my answer: {size}" for size in ("tiny", "short", "medium", "long", "huge"))
"""Beginnings of an answer, the shortest first. One word tells them apart: their own lengths are alike."""
LENGTH_PERCEPTION = (
    "I will ask a question. Do not answer it yet."
    " Print the estimated number of words of your answer, only the number."
)
"""The length, asked for in words before the answer."""
