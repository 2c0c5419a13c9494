"""Every error for callers, with its gRPC code and its reason.

    XappError
    ├── InvalidArgument      INVALID_ARGUMENT     names the field
    ├── NotFound             NOT_FOUND            lists the known names
    ├── AlreadyExists        ALREADY_EXISTS
    ├── Unauthenticated      UNAUTHENTICATED      names the missing credential
    ├── PermissionDenied     PERMISSION_DENIED    names the principal and the denied action
    ├── FailedPrecondition   FAILED_PRECONDITION
    ├── Exhausted            RESOURCE_EXHAUSTED   has the time to retry
    ├── Unavailable          UNAVAILABLE          has the time to retry
    ├── DeadlineExceeded     DEADLINE_EXCEEDED
    ├── ConfigError          (stops the start)    names the key
    └── ModelError           (a file, a download) names the file

This module knows no gRPC: server/boundary.py translates.
"""

from typing import ClassVar


class XappError(Exception):
    """Base of all. `reason` is UPPER_SNAKE_CASE, stable, for programs. The message is for people."""

    code: ClassVar[str] = "INTERNAL"
    default_reason: ClassVar[str] = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        metadata: dict[str, str] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or self.default_reason
        self.metadata = metadata or {}
        self.retry_after_s = retry_after_s


class InvalidArgument(XappError):
    """The request is wrong; `field` is its path in the proto, for instance `sampling.top_p`."""

    code = "INVALID_ARGUMENT"
    default_reason = "INVALID_ARGUMENT"

    def __init__(self, field: str, message: str, *, reason: str | None = None) -> None:
        super().__init__(f"{field}: {message}", reason=reason, metadata={"field": field})
        self.field = field
        self.description = message


class NotFound(XappError):
    """No such model. The metadata lists the known models."""

    code = "NOT_FOUND"
    default_reason = "MODEL_NOT_FOUND"


class AlreadyExists(XappError):
    """There is something of this name."""

    code = "ALREADY_EXISTS"
    default_reason = "COLLECTION_EXISTS"


class Unauthenticated(XappError):
    """The caller is not known. The message names the missing or wrong credential, and never shows it."""

    code = "UNAUTHENTICATED"
    default_reason = "NO_CREDENTIALS"


class PermissionDenied(XappError):
    """The caller is known, and is not allowed to do this."""

    code = "PERMISSION_DENIED"
    default_reason = "METHOD_NOT_ALLOWED"


class FailedPrecondition(XappError):
    """Right request, wrong time or state: retrying as it is will not help."""

    code = "FAILED_PRECONDITION"
    default_reason = "FAILED_PRECONDITION"


class Exhausted(XappError):
    """No capacity now: the queue is full, the quota is used up, or a deadline cannot be met."""

    code = "RESOURCE_EXHAUSTED"
    default_reason = "QUEUE_FULL"


class Unavailable(XappError):
    """Not serving now: loading, draining, or the worker was lost. Safe to try again."""

    code = "UNAVAILABLE"
    default_reason = "WORKER_LOST"


class Aborted(XappError):
    """What the caller relies on is gone: it begins again, with everything that it knows."""

    code = "ABORTED"
    default_reason = "ABORTED"


class DeadlineExceeded(XappError):
    """The request's deadline passed. The tokens so far have been streamed."""

    code = "DEADLINE_EXCEEDED"
    default_reason = "DEADLINE_EXCEEDED"


class ConfigError(XappError):
    """A setting is wrong: the start stops, and the message names the key."""

    code = "FAILED_PRECONDITION"
    default_reason = "BAD_SETTING"

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}", metadata={"key": key})
        self.key = key


class ModelError(XappError):
    """A model file cannot be used or fetched. The message names the file."""

    code = "FAILED_PRECONDITION"
    default_reason = "BAD_MODEL_FILE"
