"""The options of `genai-xapp bench load`, and what of them makes no sense together."""

from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from perf.cli.option_values import all_of
from perf.data.traces import PRIORITIES, TraceRequest
from perf.load import step_plans
from perf.load.run_options import Options
from xapp.cli.options import Duration

_DEFAULT_CONCURRENCY = [1, 2, 4, 8]
_DEFAULT_DURATION_S = 30.0


class Levels(click.ParamType):  # type: ignore[type-arg]  # generic in stubs only
    """`1,2,4`: numbers above 0, none twice."""

    name = "levels"

    def __init__(self, kind: type[int] | type[float]) -> None:
        self._kind = kind

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[int] | list[float]:
        """A list of numbers."""
        if isinstance(value, list):
            return value
        try:
            found: list[Any] = [self._kind(each) for each in str(value).split(",")]
        except ValueError:
            self.fail(f"{value!r} is no list of numbers: write 1,2,4", param, ctx)
        if not all(0 < each < 1e6 for each in found):
            self.fail(f"{value!r}: each is above 0", param, ctx)
        if len(set(found)) < len(found):
            self.fail(f"{value!r}: one is there twice", param, ctx)
        return found


_OPTIONS = (
    click.option(
        "--concurrency", type=Levels(int), metavar="1,2,4,8", help="Closed loop: so many callers at once."
    ),
    click.option(
        "--rate", "rates", type=Levels(float), metavar="0.5,1,2", help="Open loop: arrivals a second."
    ),
    click.option(
        "--arrivals",
        type=click.Choice(["poisson", "gamma"]),
        default="poisson",
        show_default=True,
        help="How arrivals are spaced; gamma takes --burstiness.",
    ),
    click.option(
        "--burstiness",
        type=click.FloatRange(min=0.01, max=100),
        help="Shape of the gamma distribution: below 1 bursts, 1 is Poisson, above it more even.",
    ),
    click.option(
        "--duration", "duration_s", type=Duration(), metavar="30s", help="Length of a step. Default: 30s."
    ),
    click.option(
        "--requests", "num_requests", type=click.IntRange(1, 100_000), help="Requests of a step."
    ),
    click.option(
        "--prompt-tokens", "prompt", default="128", show_default=True, metavar="LENGTHS",
        help="Of each prompt: 64, uniform:32-256 or lognormal:MEDIAN,SIGMA[,MOST].",
    ),
    click.option(
        "--output-tokens", "output", default="64", show_default=True, metavar="LENGTHS",
        help="Of each answer, likewise.",
    ),
    click.option(
        "--shared-prefix", type=click.IntRange(0, 100_000), default=0, show_default=True, metavar="N",
        help="Let the prompts share their first N tokens.",
    ),
    click.option(
        "--ignore-eos/--stop-at-end", default=True, show_default=True,
        help="Whether answers go on past the model's own end, to their full length.",
    ),
    click.option(
        "--trace", type=click.Path(path_type=Path, dir_okay=False),
        help="Requests from a JSONL file; with `at` in it they are replayed at those times, "
        "unless --rate or --concurrency is given.",
    ),
    click.option("--priority", type=click.Choice(PRIORITIES), help="The class of every request."),
    click.option(
        "--deadline", "deadline_s", type=Duration(), metavar="2s",
        help="Of every request, from its scheduled arrival; it is one of its limits.",
    ),
    click.option(
        "--mix", metavar="critical:0.1@1s,batch:0.9", help="Classes instead: PRIORITY:SHARE[@DEADLINE], …"
    ),
    click.option("--limit-ttft", "limit_ttft_s", type=Duration(), metavar="500ms", help="For goodput."),
    click.option("--limit-tpot", "limit_tpot_s", type=Duration(), metavar="100ms", help="For goodput."),
    click.option("--limit-e2e", "limit_e2e_s", type=Duration(), metavar="10s", help="For goodput."),
    click.option("--find-rate", is_flag=True, help="Search the highest rate that keeps the limits."),
    click.option(
        "--attainment", type=click.FloatRange(0, 1, min_open=True), default=0.95, show_default=True,
        help="The share of requests that is to keep them.",
    ),
    click.option(
        "--precision", type=click.FloatRange(0.01, 1), default=0.1, show_default=True,
        help="Of --find-rate, as a share of the rate.",
    ),
    click.option(
        "--request-timeout", "timeout_s", type=Duration(), default="300s", show_default=True,
        help="The client's patience with one request.",
    ),
    click.option(
        "--max-in-flight", type=click.IntRange(1, 10_000), default=256, show_default=True,
        help="Beyond it a request of an open loop is not sent and counts as an error.",
    ),
    click.option(
        "--warmup", type=click.IntRange(0, 100), default=2, show_default=True,
        help="Requests before the first step.",
    ),
)  # fmt: skip


load_options = all_of(_OPTIONS)


def options_of(
    given: dict[str, Any], trace: list[TraceRequest], trace_name: str, trace_digest: str
) -> Options:
    """Raises click.UsageError for what makes no sense."""
    given = dict(given)
    if given.pop("arrivals") == "gamma":
        if given["burstiness"] is None:
            raise click.UsageError("--arrivals gamma needs --burstiness")
    elif given["burstiness"] is not None:
        raise click.UsageError("--burstiness needs --arrivals gamma: Poisson has none")
    for key in ("concurrency", "rates"):
        given[key] = given[key] or []
    given["burstiness"] = given["burstiness"] or 1.0
    given["mix"], given["priority"] = given["mix"] or "", given["priority"] or ""
    options = Options(**given, trace=trace_name, trace_digest=trace_digest)
    options = _completed(options, trace)
    _check(options, trace)
    return options


def _completed(options: Options, trace: list[TraceRequest]) -> Options:
    """What to do when little was said."""
    swept = bool(options.concurrency or options.rates or options.find_rate)
    if not swept and trace and trace[0].at is not None:
        return replace(options, replay=True)
    if not swept:
        options = replace(options, concurrency=_DEFAULT_CONCURRENCY)
    if options.duration_s is None and options.num_requests is None:
        options = replace(options, duration_s=_DEFAULT_DURATION_S)
    return options


def _check(options: Options, trace: list[TraceRequest]) -> None:
    if max(options.concurrency, default=0) > options.max_in_flight:
        raise click.UsageError(f"--concurrency beyond --max-in-flight {options.max_in_flight}")
    if options.mix and (options.priority or options.deadline_s or trace):
        raise click.UsageError(
            "--mix stands alone: it says priorities and deadlines, and a trace has its own"
        )
    if trace and options.shared_prefix:
        raise click.UsageError("--shared-prefix is for drawn prompts, not for --trace")
    if options.find_rate and not (options.limits.any or options.deadline_s or "@" in options.mix):
        raise click.UsageError(
            "--find-rate needs a limit: --limit-ttft, --limit-tpot, --limit-e2e or --deadline"
        )
    try:
        step_plans.source(options, trace)
        step_plans.steps(options, trace)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
