"""Chromium of this machine, driven by Playwright."""

import contextlib
import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, async_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium: apt install chromium")


@contextlib.asynccontextmanager
async def browsing(**options: object) -> AsyncIterator[Page]:
    """A new window. Fails on what the page throws or what its policy refuses."""
    async with async_playwright() as playwright:
        # The tests may run as root, where Chromium's own sandbox does not.
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page = await browser.new_page(**options)  # type: ignore[arg-type]  # its options have many types
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text) if "Security Policy" in line.text else None)
        try:
            yield page
            assert not faults
        finally:
            await browser.close()
