"""The chart's schema and its README are those of this tree; what is described is found."""

import json

from scripts import chart_readme, chart_schema
from xapp.config import KEYS


def test_the_schema_has_the_settings_of_this_tree() -> None:
    text = chart_schema.SCHEMA.read_text()
    assert text == chart_schema.updated(text), "run 'python -m scripts.chart_schema'"


def test_a_setting_that_changed_is_seen() -> None:
    schema = json.loads(chart_schema.SCHEMA.read_text())
    schema["properties"]["settings"]["properties"].pop("slots")
    text = json.dumps(schema, indent=2) + "\n"
    assert chart_schema.updated(text) != text


def test_what_the_chart_sets_itself_is_a_setting_and_not_one_of_the_values() -> None:
    assert {key.flat for key in KEYS} > chart_schema.OWN
    properties = chart_schema.settings_schema()["properties"]
    assert not chart_schema.OWN & set(properties)
    in_tables = {key.flat for key in KEYS if key.name in properties[key.table]["properties"]}
    assert in_tables == {key.flat for key in KEYS} - chart_schema.OWN


def test_the_readme_has_the_values_of_this_tree() -> None:
    text = chart_readme.README.read_text()
    assert text == chart_readme.updated(text, chart_readme.VALUES.read_text()), (
        "run 'python -m scripts.chart_readme'"
    )


def test_comments_become_rows() -> None:
    values = "# no row\n\n# -- The first,\n# in two lines.\na: 1\nb:\n  # -- Nested.\n  c: []\n  d: x\n"
    assert list(chart_readme.rows(values))[2:] == [
        "| `a` | `1` | The first, in two lines. |",
        "| `b.c` | `[]` | Nested. |",
        '| `b.d` | `"x"` |  |',
    ]


def test_every_value_is_described() -> None:
    rows = list(chart_readme.rows(chart_readme.VALUES.read_text()))[2:]
    assert len(rows) > 30
