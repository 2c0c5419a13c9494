"""A real text process for a test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from xapp.text.model_text import ModelText


@asynccontextmanager
async def loaded(path: Path) -> AsyncIterator[ModelText]:
    model = await ModelText.load(str(path))
    try:
        yield model
    finally:
        await model.aclose()
