"""What the documentation says of settings, commands, reasons, metrics and paths is so, and complete."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest

from tests.live import LiveServer
from xapp.cli import main
from xapp.config import OTHER_KEYS, PREFIX, Settings
from xapp.telemetry.metrics import Metrics, NodeReading

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
OPERATING = (ROOT / "docs" / "operating.md").read_text()
PAGES = [
    path
    for folder in ("", "docs", "clients", "clients/grpcurl", "docker", "helm/genai-xapp")
    for path in sorted((ROOT / folder).glob("*.md"))
]
LAYERS_WITH_REASONS = (
    *("server", "security", "service", "admission", "tasks"),
    *("text", "formats", "workers", "engine", "backend"),
)


def table(text: str, heading: str) -> list[list[str]]:
    """The rows of all tables below a heading of level 2, without their headers."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    rows = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in rows if not row[0].strip().startswith("---")]


def first_codes(text: str, heading: str) -> list[str]:
    """The first cells that are code, bare."""
    return [row[0].strip("`") for row in table(text, heading) if row[0].startswith("`")]


# ---- settings


def settings_rows() -> dict[str, str]:
    return {row[0].strip("`"): row[1].strip("`") for row in table(README, "Settings") if row[0][0] == "`"}


def shown(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)


def test_the_table_has_every_setting_and_no_other() -> None:
    assert list(settings_rows()) != []
    assert set(settings_rows()) == {PREFIX + name.upper() for name in Settings.__struct_fields__}


@pytest.mark.parametrize("field", msgspec.structs.fields(Settings), ids=lambda field: field.name)
def test_the_table_states_the_default(field: msgspec.structs.FieldInfo) -> None:
    stated = settings_rows()[PREFIX + field.name.upper()]
    if field.default is None:
        assert stated in {"sized", "none"}
    elif field.default not in (msgspec.NODEFAULT, ""):
        assert stated == shown(field.default)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_name_settings_that_there_are(page: Path) -> None:
    known = {PREFIX + name.upper() for name in Settings.__struct_fields__} | OTHER_KEYS
    assert set(re.findall(r"\bXAPP_[A-Z_]*[A-Z]", page.read_text())) <= known


# ---- commands


def commands(group: click.Group, prefix: str) -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}"


def make_targets() -> set[str]:
    found = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return {f"make {name}" for name in found}


def test_the_tables_have_every_command_and_no_other() -> None:
    listed = first_codes(README, "Commands")
    assert sorted(listed) == sorted(make_targets() | set(commands(main, "genai-xapp")))


CALL = re.compile(r"^(?:[A-Z_]+=\S+ )*genai-xapp ([a-z]+)", re.MULTILINE)


def code_of(text: str) -> list[str]:
    """Blocks for a shell, and code inside of a line."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return blocks + re.findall(r"`([^`\n]+)`", text)


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "clients" / "python" / "stream.py"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_pages_name_commands_that_there_are(page: Path) -> None:
    text = page.read_text()
    named = {f"make {name}" for name in re.findall(r"`(?:\w+=\S+ )*make ([a-z][a-z-]*)", text)}
    assert named <= make_targets()
    first_words = {command.split()[1] for command in commands(main, "genai-xapp")}
    assert {word for code in code_of(text) for word in CALL.findall(code)} <= first_words


# ---- statuses and metrics


def reasons_in_code() -> set[str]:
    found = set(re.findall(r'default_reason[^=]*= "(\w+)"', (ROOT / "xapp" / "errors.py").read_text()))
    for layer in LAYERS_WITH_REASONS:
        for path in (ROOT / "xapp" / layer).glob("*.py"):
            found |= set(re.findall(r'reason="([A-Z_]+)"', path.read_text()))
    return found


def test_the_table_has_every_reason_and_no_other() -> None:
    rows = table(README, "Statuses")[1:]
    listed = {reason for row in rows for reason in re.findall(r"`([A-Z_]+)`", row[2])}
    assert listed == reasons_in_code()


def test_the_table_has_every_metric_and_no_other() -> None:
    page = Metrics().exposition(NodeReading(ready=True, models={})).decode()
    declared = set(re.findall(r"^# TYPE (\w+) ", page, re.MULTILINE))
    assert set(first_codes(OPERATING, "Metrics")) == declared


# ---- paths and links


def tree_paths() -> list[str]:
    """The paths of the README's tree; two spaces more are one level deeper."""
    (section,) = re.findall(r"^## What is where\n```\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    parents: list[str] = []
    paths = []
    for line in section.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        parents[depth:] = [line.split()[0]]
        paths.append("".join(parents))
    return paths


def test_every_path_of_the_tree_exists() -> None:
    assert [path for path in tree_paths() if not (ROOT / path).exists()] == []


def test_every_package_is_in_the_tree() -> None:
    packages = {f"xapp/{path.parent.name}/" for path in (ROOT / "xapp").glob("*/__init__.py")}
    assert packages - {"xapp/inference/"} <= set(tree_paths())


def linked(page: Path) -> Iterator[tuple[Path, str]]:
    """The file and the anchor of each link that stays in the project."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" not in target:
            name, _, anchor = target.partition("#")
            yield ((page.parent / name).resolve() if name else page), anchor


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for file, anchor in linked(page):
        assert file.exists()
        assert not anchor or anchor in anchors(file), anchor


@pytest.mark.parametrize("page", [*PAGES], ids=lambda path: str(path.relative_to(ROOT)))
def test_files_named_in_code_exist(page: Path) -> None:
    pattern = r"`((?:xapp|tests|scripts|proto|docs|clients|perf|requirements|docker)/[\w./-]+)`"
    named = re.findall(pattern, page.read_text())
    assert [name for name in named if not (ROOT / name).exists() and name != "xapp/cli/NAME.py"] == []


# ---- the first example


def python_example() -> str:
    (code,) = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert isinstance(code, str)
    return code


@pytest.mark.slow
def test_the_python_example_answers(live_server: LiveServer) -> None:
    assert "127.0.0.1:50051" in python_example()
    code = python_example().replace("127.0.0.1:50051", live_server.target)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
