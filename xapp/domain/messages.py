"""The messages between the server process and a worker process: `to_worker` and `from_worker`.

`frames` transports them. All times are seconds on CLOCK_MONOTONIC, which both processes share.
"""

from typing import TypeAlias

import msgspec

from xapp.domain.engine_state import Stats, StepPrices
from xapp.domain.finish_reason import FinishReason
from xapp.domain.frames import MAX_FRAME_BYTES, FrameBuffer, encode
from xapp.domain.from_worker import (
    LoadFailed,
    Progress,
    Ready,
    SequenceEmbedded,
    SequenceFinished,
    SequenceScored,
    SequenceStarted,
    StepEvents,
    Surveyed,
    TokenReport,
)
from xapp.domain.model_info import ModelInfo, Shard, StepCurve, StepTrial, Tuning, TuningSource
from xapp.domain.priority import Priority
from xapp.domain.sampling import MAX_SEED, SamplingParams
from xapp.domain.to_worker import END_OF_ANSWER, Cancel, Drafts, Embed, Extend, Shutdown, Submit

__all__ = [
    "END_OF_ANSWER",
    "MAX_FRAME_BYTES",
    "MAX_SEED",
    "Cancel",
    "Drafts",
    "Embed",
    "Extend",
    "FinishReason",
    "FrameBuffer",
    "FromWorker",
    "LoadFailed",
    "ModelInfo",
    "Priority",
    "Progress",
    "Ready",
    "SamplingParams",
    "SequenceEmbedded",
    "SequenceFinished",
    "SequenceScored",
    "SequenceStarted",
    "Shard",
    "Shutdown",
    "Stats",
    "StepCurve",
    "StepEvents",
    "StepPrices",
    "StepTrial",
    "Submit",
    "Surveyed",
    "ToWorker",
    "TokenReport",
    "Tuning",
    "TuningSource",
    "decode_from_worker",
    "decode_to_worker",
    "encode",
]


ToWorker: TypeAlias = Submit | Cancel | Extend | Shutdown


FromWorker: TypeAlias = Progress | Ready | Surveyed | LoadFailed | StepEvents

_to_worker = msgspec.msgpack.Decoder(ToWorker)
_from_worker = msgspec.msgpack.Decoder(FromWorker)


def decode_to_worker(body: bytes) -> ToWorker:
    """Raises msgspec.ValidationError for an invalid body."""
    message: ToWorker = _to_worker.decode(body)
    return message


def decode_from_worker(body: bytes) -> FromWorker:
    """Raises msgspec.ValidationError for an invalid body."""
    message: FromWorker = _from_worker.decode(body)
    return message
