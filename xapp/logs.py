"""JSON logs: one line a record, on stderr.

Keys are `ts` (UTC, RFC 3339), `level`, `logger`, `msg`, then `correlation_id` inside a request, then
the fields of the event. A prompt's text is never logged here; who logs it asks `Settings.log_prompts`.
"""

import contextvars
import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

correlation_id: contextvars.ContextVar[str] = contextvars.ContextVar("correlation_id", default="")
"""Names the request that the current task works on; "" outside of one."""


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON; what JSON does not know is shown by `str`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its newline."""
        return json.dumps(_entry(record, self), ensure_ascii=False, default=str)


def _entry(record: logging.LogRecord, formatter: logging.Formatter) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "msg": record.getMessage(),
    }
    if correlation := correlation_id.get():
        entry["correlation_id"] = correlation
    entry |= getattr(record, "fields", {})
    if record.exc_info:
        entry["traceback"] = formatter.formatException(record.exc_info)
    return entry


def event(
    logger: logging.Logger,
    message: str,
    fields: dict[str, object],
    *,
    level: int = logging.INFO,
    error: BaseException | None = None,
) -> None:
    """Logs a message with fields; `error` adds its traceback."""
    logger.log(level, "%s", message, extra={"fields": fields}, exc_info=error)


def setup(level: str, stream: TextIO | None = None) -> None:
    """Sends every logger's records from `level` on to `stream` (stderr), in place of what was set."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.captureWarnings(True)
