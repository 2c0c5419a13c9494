"""Values that no name, time or share fits are shown, or left out: nothing ends with a traceback."""

import math

from google.protobuf.timestamp_pb2 import Timestamp

from xapp.cli.from_node import name_of, share, time_of_day
from xapp.inference.v1 import inference_pb2 as pb


def test_an_enum_of_a_newer_node_has_numbers() -> None:
    assert name_of(pb.FinishReason, pb.FINISH_REASON_STOP, "FINISH_REASON_") == "stop"
    assert name_of(pb.FinishReason, 77, "FINISH_REASON_") == "77"


def test_a_time_that_is_none() -> None:
    assert time_of_day(Timestamp(seconds=3661)) == "01:01:01"
    assert time_of_day(Timestamp(seconds=2**62)) == "--:--:--"
    assert time_of_day(Timestamp(nanos=-5)) == "--:--:--"


def test_a_share_that_is_none() -> None:
    assert [share(value) for value in (0.5, math.nan, math.inf, -1.0)] == [0.5, 0, 0, 0]
