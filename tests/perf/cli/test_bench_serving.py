import pytest
from click.testing import CliRunner

from perf.cli.bench_serving import serving


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "speed"], "not one of solo, burst"),
        (["--streams", "1;4"], "not a list"),
        (["--rounds", "0"], "0"),
    ],
)
def test_a_wrong_option_is_named(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(serving, arguments)
    assert result.exit_code == 2
    assert message in result.output
