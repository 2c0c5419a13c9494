"""How soon the web page is there: python -m perf.first_paint [--model NAME] [--times 7] [--chromium FILE]

Each time a browser that was just started, with nothing in its cache, opens the page of a node on the loopback
interface. Prints the milliseconds from the beginning of the navigation to the first paint, as the browser
itself counts them, and the bytes of everything that it fetched. The bars are 300 ms and 150 kB.
"""

import argparse
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, sync_playwright

from perf.gateway import serving
from perf.process_under_test import HOST

PAINT_S = 20.0
_PAINTED = "performance.getEntriesByName('first-contentful-paint').length > 0"
_PAINT_MS = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
_BYTES = """performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource'))
    .filter(each => each.initiatorType != 'fetch').reduce((sum, each) => sum + each.transferSize, 0)"""
"""`fetch` asks for the figures of the node, again and again."""


def first_paint(browser: Browser, port: int) -> tuple[float, int]:
    """Milliseconds to the first paint with content, and bytes with their headers."""
    page = browser.new_page()
    page.goto(f"http://{HOST}:{port}/")
    page.wait_for_function(_PAINTED, timeout=PAINT_S * 1000)
    return float(page.evaluate(_PAINT_MS)), int(page.evaluate(_BYTES))


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m perf.first_paint", description=__doc__)
    parser.add_argument("--model", default="smollm2-135m-q4_1")
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    paints_ms, num_bytes = [], 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ports = stack.enter_context(serving(folder, options.model))
        playwright = stack.enter_context(sync_playwright())
        for turn in range(options.times):
            args = ["--no-sandbox", "--disable-dev-shm-usage"]
            browser = playwright.chromium.launch(executable_path=options.chromium, args=args)
            paint_ms, num_bytes = first_paint(browser, ports.http)
            browser.close()
            paints_ms.append(paint_ms)
            print(f"{turn + 1}: {paint_ms:.0f} ms, {num_bytes:,} bytes", flush=True)
    print(
        f"{len(paints_ms)} times: first paint after {median(paints_ms):.0f} ms, most {max(paints_ms):.0f} ms,"
        f" {num_bytes:,} bytes, load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
