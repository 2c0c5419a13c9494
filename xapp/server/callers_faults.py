"""Keeps out of the log what gRPC's own code reports of a caller's wrong bytes."""

import logging

_LOGGER = "grpc._cython.cygrpc"
_BEGIN = "Invalid encoding"
"""gRPC logs an error for each value of metadata that is no UTF-8. It says nothing about this server."""


class _CallersFaults(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(_BEGIN)


_FILTER = _CallersFaults()


def keep_out() -> None:
    """From now on. Safe to call twice."""
    logging.getLogger(_LOGGER).addFilter(_FILTER)
