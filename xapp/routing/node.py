"""Builds the service of a node together with what routes its requests."""

from xapp.config import RetrievalSettings, Settings
from xapp.config.big import BigSettings
from xapp.errors import ConfigError
from xapp.routing.big_little.big_side import BigSide
from xapp.routing.big_little.local_big import LocalBig
from xapp.routing.big_little.pair import Pair
from xapp.routing.routed_service import RoutedService
from xapp.service.service import NodeService


def routed_service(settings: Settings) -> RoutedService:
    """The node's service. Raises ConfigError with the key of a wrong setting of `[big]`, `[upstream]` or
    `[retrieval]`.
    """
    service = RoutedService(settings)
    if settings.retrieval.folder or settings.retrieval.url:
        _use_retrieval(service, settings.retrieval)
    if (big := big_side(settings.big, service)) is not None:
        service.use_pair(Pair(settings.big, big, service.new_id))
    return service


def _use_retrieval(service: RoutedService, settings: RetrievalSettings) -> None:
    # Only a node with collections needs these modules.
    from xapp.retrieval.grounding import GroundedGeneration  # noqa: PLC0415
    from xapp.retrieval.service import RetrievalService  # noqa: PLC0415

    collections = RetrievalService(settings, service)
    service.use_retrieval(collections, GroundedGeneration(service, collections))


def big_side(settings: BigSettings, service: NodeService) -> BigSide | None:
    """None where the settings name no big model."""
    if bool(settings.cert) != bool(settings.key):
        raise ConfigError("XAPP_BIG_CERT", "and XAPP_BIG_KEY belong together")
    if settings.target:
        # Only a node with another node needs gRPC's client.
        from xapp.routing.big_little.remote_big import RemoteBig  # noqa: PLC0415

        return RemoteBig(settings)
    return LocalBig(service, settings.model) if settings.model else None
