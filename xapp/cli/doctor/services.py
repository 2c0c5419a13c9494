"""Check of the services together: whether all that is configured fits into this node."""

from xapp.cli.doctor.finding import Finding, fail, good, warn
from xapp.config import Settings
from xapp.node_plan.make_plan import plan_of_this_node
from xapp.node_plan.planned import Room
from xapp.node_plan.report import ADVICE, refusal, summary, warning


def check_services(settings: Settings) -> Finding:
    """Whether models, speech and collections fit together."""
    plan = plan_of_this_node(settings)
    if plan.room is Room.NONE:
        return fail("services", refusal(plan), ADVICE)
    if plan.room is Room.TIGHT:
        return warn("services", warning(plan), ADVICE)
    return good("services", summary(plan))
