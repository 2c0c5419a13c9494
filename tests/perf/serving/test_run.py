from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from perf.serving import run as serving


def test_two_benchmarks_do_not_run_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(serving, "LOGS", tmp_path)
    with serving.alone(), pytest.raises(click.ClickException, match="another benchmark"), serving.alone():
        pass
    with serving.alone():
        pass


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "speed"], "not one of decode"),
        (["--streams", "1;4"], "not a list"),
        (["--rounds", "0"], "0"),
    ],
)
def test_a_wrong_option_is_named(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(serving.main, arguments)
    assert result.exit_code == 2
    assert message in result.output
