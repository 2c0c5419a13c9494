import pytest
from google.protobuf.duration_pb2 import Duration

from xapp.errors import InvalidArgument
from xapp.inference.v1 import inference_pb2 as pb
from xapp.server.convert.metrics_request import to_count, to_interval_s


@pytest.mark.parametrize(
    "interval",
    [
        Duration(),
        Duration(nanos=99_999_999),
        Duration(seconds=3600, nanos=1),
        Duration(seconds=-1),
        Duration(seconds=1, nanos=2_000_000_000),
    ],
)
def test_interval_refused(interval: Duration) -> None:
    with pytest.raises(InvalidArgument, match="interval"):
        to_interval_s(pb.MetricsRequest(interval=interval))


def test_interval_taken() -> None:
    assert to_interval_s(pb.MetricsRequest()) == 1.0
    assert to_interval_s(pb.MetricsRequest(interval=Duration(nanos=100_000_000))) == 0.1
    assert to_interval_s(pb.MetricsRequest(interval=Duration(seconds=3600))) == 3600


def test_count() -> None:
    assert to_count(pb.MetricsRequest()) is None
    assert to_count(pb.MetricsRequest(count=1)) == 1
    with pytest.raises(InvalidArgument, match="count"):
        to_count(pb.MetricsRequest(count=0))
