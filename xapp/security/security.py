"""What a node's settings say of its security, read once for both of its ports."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from xapp.config import Settings
from xapp.security.reload import Reloaded
from xapp.security.tls import Certificates, read_certificates, tls_files


class Security:
    """`certificates` is None where connections are plain text."""

    def __init__(self, settings: Settings) -> None:
        """Reads every file that the settings name. Raises ConfigError naming the key."""
        self.certificates: Reloaded[Certificates] | None = None
        if files := tls_files(settings.tls_cert, settings.tls_key, settings.tls_client_ca):
            self.certificates = Reloaded("certificate", files.paths, lambda: read_certificates(files))

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Follows the changes of the files for the length of the block."""
        watched = [each for each in (self.certificates,) if each is not None]
        tasks = [asyncio.create_task(each.watch()) for each in watched]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
