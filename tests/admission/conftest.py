"""The node of the service's tests."""

from tests.service.conftest import node

__all__ = ["node"]
