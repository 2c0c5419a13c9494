"""Logs: one line a record, on stderr, written by a thread so that a slow reader stops nobody.

On a terminal a line is for people, else it is one JSON object. Its keys are `ts` (UTC, RFC 3339),
`level`, `logger`, `msg`, then `correlation_id` inside a request and `principal` where a credential proves
who asks, then the fields of the event. A prompt's text is never logged here; who logs it asks
`LogSettings.prompts`.
"""

import contextvars
import json
import logging
import sys
from datetime import UTC, datetime
from functools import partial
from typing import Any, TextIO

from xapp.log_writer import LogWriter, writing_to
from xapp.visible import visible, visible_json

FLUSH_S = 1.0
"""How long the end of the process waits for the reader of the log."""

correlation_id: contextvars.ContextVar[str] = contextvars.ContextVar("correlation_id", default="")
"""Names the request that the current task works on; "" outside of one."""
principal: contextvars.ContextVar[str] = contextvars.ContextVar("principal", default="")
"""Who asks, where a credential proves it; "" elsewhere."""


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON; what JSON does not know is shown by `str`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its newline."""
        return visible_json(json.dumps(_entry(record, self), ensure_ascii=False, default=str))


class PlainFormatter(logging.Formatter):
    """A record as a line for people: time of day, level where it is worth a look, message, fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its newline; a traceback has more."""
        at = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        level = "" if record.levelno == logging.INFO else f"{record.levelname}: "
        parts = [f"{at} {level}{record.getMessage()}", *self._fields(record)]
        lines = ["  ".join(parts)]
        if record.exc_info:
            lines.append(self.formatException(record.exc_info))
        return visible("\n".join(lines))

    def _fields(self, record: logging.LogRecord) -> list[str]:
        fields = dict(getattr(record, "fields", {}))
        fields.pop("event", None)  # a word for programs, of what the message says
        if correlation := correlation_id.get():
            fields["correlation_id"] = correlation
        if who := principal.get():
            fields["principal"] = who
        return [f"{key}={_shown(value)}" for key, value in fields.items()]


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _entry(record: logging.LogRecord, formatter: logging.Formatter) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "msg": record.getMessage(),
    }
    if correlation := correlation_id.get():
        entry["correlation_id"] = correlation
    if who := principal.get():
        entry["principal"] = who
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


class _QueueHandler(logging.Handler):
    """Formats where the record is made, for the context's sake, and hands the line to the writer."""

    def __init__(self, writer: LogWriter, formatter: logging.Formatter) -> None:
        super().__init__()
        self.writer = writer
        self.for_people = isinstance(formatter, PlainFormatter)
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.writer.put(self.format(record))
        except Exception:  # noqa: BLE001  as every handler of logging: a record must not end who logs
            self.handleError(record)

    def close(self) -> None:
        self.writer.close()
        super().close()


def setup(level: str, stream: TextIO | None = None, form: str = "auto") -> None:
    """Sends every logger's records from `level` on to `stream` (stderr), in place of what was set.

    `form`: "json", "plain", or "auto", which is plain on a terminal.
    """
    root, stream = logging.getLogger(), stream or sys.stderr
    is_plain = stream.isatty() if form == "auto" else form == "plain"
    formatter = PlainFormatter() if is_plain else JsonFormatter()
    writer = LogWriter(writing_to(stream), partial(_dropped, formatter))
    root.handlers[:] = [_QueueHandler(writer, formatter)]
    root.setLevel(level.upper())
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.captureWarnings(True)


def _dropped(formatter: logging.Formatter, number: int) -> str:
    text = f"{number} log lines were dropped: nobody read the log"
    record = logging.LogRecord(__name__, logging.WARNING, "", 0, text, None, None)
    record.fields = {"event": "log_lines_dropped", "count": number}
    return formatter.format(record)


def _handler() -> _QueueHandler | None:
    handlers = logging.getLogger().handlers
    return next((each for each in handlers if isinstance(each, _QueueHandler)), None)


def _writer() -> LogWriter | None:
    handler = _handler()
    return None if handler is None else handler.writer


def flush(timeout_s: float = FLUSH_S) -> None:
    """Waits until the log is written, but not for a reader that does not read."""
    if writer := _writer():
        writer.flush(timeout_s)


def num_dropped() -> int:
    """Lines that were dropped since the start."""
    writer = _writer()
    return writer.num_dropped if writer else 0


def hint(text: str) -> None:
    """A line that only a person at a terminal can use; nothing where the log is for programs."""
    handler = _handler()
    if handler is not None and handler.for_people:
        handler.writer.put(visible(text))


def say(text: str) -> None:
    """A line for people on standard error, after what was logged; never blocks where logs are set up."""
    if writer := _writer():
        writer.put(visible(text))
    else:
        sys.stderr.write(visible(text) + "\n")
