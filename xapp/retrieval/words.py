"""The words of a question, for the search by words."""

import re

MAX_WORDS = 48
_WORD = re.compile(r"\w+")
_ENGLISH = """
a an and are as at be been but by can could did do does for from had has have how i if in into is it its may
me my not of on or our shall should so such than that the their them then there these they this those to was
we were what when where which while who whom whose why will with would you your following
"""
_COMMON = frozenset(_ENGLISH.split())
"""Words that most English passages have. Each of them would make a search read most of the collection."""


def words_of(query: str) -> list[str]:
    """Each word once, in lower case; without common words, unless there are no others."""
    found = list(dict.fromkeys(_WORD.findall(query.lower())))
    return ([word for word in found if word not in _COMMON] or found)[:MAX_WORDS]
