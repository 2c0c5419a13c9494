"""A node's security, from its settings, read once for both ports."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from xapp import logs
from xapp.config import Settings
from xapp.security.access import Access
from xapp.security.reload import Reloaded
from xapp.security.tls import CERT_KEY, Certificates, read_certificates, tls_files

_log = logging.getLogger(__name__)


class Security:
    """`certificates` is None for plain text connections. `access` identifies callers."""

    def __init__(self, settings: Settings) -> None:
        """Reads every file that the settings name. Raises ConfigError with the key."""
        self.certificates: Reloaded[Certificates] | None = None
        if files := tls_files(settings.tls.cert, settings.tls.key, settings.tls.client_ca):
            self.certificates = Reloaded("certificate", files.paths, lambda: read_certificates(files))
        self.access = Access(settings)
        if self.access.takes_tokens and self.certificates is None:
            fields: dict[str, object] = {"event": "tokens_in_plain_text"}
            text = f"callers show tokens, and {CERT_KEY} is not set: tokens travel in plain text"
            logs.event(_log, text, fields, level=logging.WARNING)

    def not_after(self) -> float | None:
        """End of the certificate, seconds since 1970; None without a certificate."""
        return self.certificates.value.not_after if self.certificates else None

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Follows changes of the files during the block."""
        certificates = [] if self.certificates is None else [self.certificates]
        tasks = [asyncio.create_task(each.watch()) for each in (*certificates, *self.access.watched)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
