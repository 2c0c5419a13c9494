"""Named places where a test lets this program fail. Without XAPP_FAILPOINTS all of them are inert.

    XAPP_FAILPOINTS='decode=1%kill; event_socket=short; load=2*delay(0.5); seed=7'

An entry is POINT=[P%][N*]ACTION[(SECONDS)]: with probability P, at most N times. A place is resolved when its
object is made, so an inert place costs a token nothing. `docs/robustness.md` lists all of them.
"""

from xapp.failpoints.faults import send_in_parts
from xapp.failpoints.points import arm, environ_of_child, guard, guard_method, is_armed, meet, reach
from xapp.failpoints.spec import KEY, NTH_KEY

__all__ = [
    "KEY",
    "NTH_KEY",
    "arm",
    "environ_of_child",
    "guard",
    "guard_method",
    "is_armed",
    "meet",
    "reach",
    "send_in_parts",
]
