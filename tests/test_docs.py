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
from xapp.config import KEYS, OTHER_KEYS, TABLES, Key, ModelSettings, Settings, load_settings
from xapp.domain.kinds import MODEL_KINDS
from xapp.errors import ConfigError
from xapp.telemetry.metrics import METERED_COUNTERS, METERED_GAUGES, Metrics, NodeValues

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
SETTINGS = (ROOT / "docs" / "settings.md").read_text()
OPERATING = (ROOT / "docs" / "operating.md").read_text()
PAGES = [
    path
    for folder in ("", "docs", "proto", "clients", "clients/grpcurl", "docker", "helm/genai-xapp")
    for path in sorted((ROOT / folder).glob("*.md"))
]
LAYERS_WITH_REASONS = (
    *("server", "edge", "security", "routing", "service", "served", "admission", "tasks"),
    *("text", "formats", "workers", "engine", "backend"),
    *("routing/big_little", "server/open_engine", "server/speech", "speech"),
    *(f"speech/{part}" for part in ("audio", "engine", "recognition", "synthesis", "translation")),
    *("retrieval", "retrieval/store", "retrieval/parser"),
    "backend/rpc",
)


def table(text: str, heading: str) -> list[list[str]]:
    """The rows of all tables below a heading of level 2, without their headers."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return rows(section)


def rows(section: str) -> list[list[str]]:
    """The rows of all tables of a text, without their headers."""
    found = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in found if not row[0].strip().startswith("---")]


def first_codes(text: str, heading: str) -> list[str]:
    """The first cells that are code, bare."""
    return [row[0].strip("`") for row in table(text, heading) if row[0].startswith("`")]


# ---- settings


def settings_rows() -> dict[str, list[str]]:
    """`table.key` → what the environment calls it, and its default."""
    sections = re.findall(r"^### \[(\w+)\]\n(.*?)(?=^##|\Z)", SETTINGS, re.MULTILINE | re.DOTALL)
    return {
        f"{name}.{row[0].strip('`')}": [cell.strip("`") for cell in row[1:3]]
        for name, section in sections
        for row in rows(section)
        if row[0].startswith("`")
    }


def shown(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)


def test_the_tables_have_every_setting_and_no_other() -> None:
    assert {name: row[0] for name, row in settings_rows().items()} == {
        key.dotted: key.variable for key in KEYS
    }


def test_the_readme_names_every_table() -> None:
    named = {cell.strip("[]()`") for cell in re.findall(r"^\| \[`\[(.*?)\]`\]", README, re.MULTILINE)}
    assert named == {*TABLES, "models.NAME"}


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.dotted)
def test_the_table_states_the_default(key: Key) -> None:
    stated, field = settings_rows()[key.dotted][1], key.field
    if field.default is None:
        assert stated in {"sized", "none"}
    elif field.default not in (msgspec.NODEFAULT, ""):
        assert stated == shown(field.default)


def settings_examples() -> list[str]:
    return re.findall(r"^```toml\n(.*?)^```", SETTINGS, re.MULTILINE | re.DOTALL)


def loaded(text: str, folder: Path) -> Settings:
    file = folder / "settings.toml"
    file.write_text(text)
    return load_settings({"XAPP_CONFIG_FILE": str(file)})


def test_the_settings_files_of_the_page_are_good(tmp_path: Path) -> None:
    nested, bare, of_models = (loaded(text, tmp_path) for text in settings_examples())
    assert nested == bare != Settings()
    names = [of_models.node.model, *of_models.node.models.split(",")]
    assert sorted(of_models.models) == sorted(names)
    assert all(of_models.of_model(name) != ModelSettings(engine=of_models.engine) for name in names)


def test_the_error_of_the_page_is_what_is_said() -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings({"XAPP_SLOTS": "0"})
    assert f"``{caught.value.message}``" in SETTINGS


def test_the_page_has_every_kind_of_model() -> None:
    listed = {
        row[0].strip("`"): (row[1], row[2])
        for row in table(SETTINGS, "One model's own settings")
        if row[0].startswith("`") and len(row) == 3  # the keys of vectors have two columns
    }
    assert {name: (cells[0], cells[1] == "yes") for name, cells in listed.items()} == {
        kind.name: (kind.capability, kind.has_worker) for kind in MODEL_KINDS.values()
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_name_settings_that_there_are(page: Path) -> None:
    known = {key.variable for key in KEYS} | OTHER_KEYS
    assert set(re.findall(r"\bXAPP_[A-Z0-9_]*[A-Z0-9]", page.read_text())) <= known


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
    found = re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return {f"make {name}" for name in found}


def test_the_tables_have_every_command_and_no_other() -> None:
    listed = first_codes(README, "Commands")
    assert sorted(listed) == sorted(make_targets() | set(commands(main, "genai-xapp")))


CALL = re.compile(r"^(?:[A-Z_]+=\S+ )*genai-xapp ([a-z][a-z-]*)", re.MULTILINE)


def code_of(text: str) -> list[str]:
    """Blocks for a shell, and code inside of a line."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return blocks + re.findall(r"`([^`\n]+)`", text)


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "clients" / "python" / "stream.py"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_pages_name_commands_that_there_are(page: Path) -> None:
    text = page.read_text()
    named = {f"make {name}" for name in re.findall(r"`(?:\w+=\S+ )*make ([a-z][a-z0-9-]*)", text)}
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


def test_the_page_of_openais_dialect_has_the_codes_that_only_the_gateway_has() -> None:
    texts = [path.read_text() for path in (ROOT / "xapp" / "gateway").glob("*.py")]
    reasons = {reason for text in texts for reason in re.findall(r'reason="([A-Z_]+)"', text)}
    own = {reason.lower() for reason in reasons - reasons_in_code()}
    page = (ROOT / "docs" / "openai.md").read_text()
    assert {code for code in own if f"`{code}`" not in page} == set()


def test_the_table_has_every_metric_and_no_other() -> None:
    metered = dict.fromkeys([*METERED_GAUGES, *METERED_COUNTERS], 0.0)
    page = Metrics().exposition(NodeValues(ready=True, models={}, node=metered)).decode()
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
