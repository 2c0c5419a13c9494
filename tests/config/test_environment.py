"""Keys of the environment that nothing reads, and what Kubernetes sets."""

from xapp.config import KEYS, OTHER_KEYS, Settings, load_settings, unknown_keys
from xapp.ric.descriptor import PATH_KEY


def test_unknown_keys_come_with_the_nearest() -> None:
    environ = {
        "XAPP_SLOTZ": "1",
        "XAPP_GPRC_PORT": "50052",
        "XAPP_ZZZZZZZZ": "1",
        "SLOTZ": "1",
        "XAPP_EMPTY": "",
    }
    nearest = {"XAPP_SLOTZ": "XAPP_SLOTS", "XAPP_GPRC_PORT": "XAPP_GRPC_PORT", "XAPP_ZZZZZZZZ": ""}
    assert unknown_keys(environ) == nearest


def test_settings_and_keys_read_elsewhere_are_known() -> None:
    assert PATH_KEY in OTHER_KEYS
    names = {key.variable for key in KEYS} | OTHER_KEYS | {"XAPP_slots"}
    assert unknown_keys(dict.fromkeys(names, "1")) == {}


def test_what_kubernetes_sets_for_a_service_is_ignored() -> None:
    address = "10.0.0.1"
    environ: dict[str, str] = {}
    for service in ("XAPP", "XAPP_GENAI_HTTP"):
        environ |= {
            f"{service}_SERVICE_HOST": address,
            f"{service}_SERVICE_PORT": "50051",
            f"{service}_SERVICE_PORT_GRPC": "50051",
            f"{service}_PORT": f"tcp://{address}:50051",
            f"{service}_PORT_50051_TCP": f"tcp://{address}:50051",
            f"{service}_PORT_50051_TCP_PROTO": "tcp",
            f"{service}_PORT_50051_TCP_PORT": "50051",
            f"{service}_PORT_50051_TCP_ADDR": address,
        }
    assert unknown_keys(environ) == {}
    assert load_settings(environ) == Settings()


def test_what_kubernetes_sets_for_a_service_is_no_port_of_ours() -> None:
    settings = load_settings({"XAPP_GRPC_PORT": "tcp://10.43.0.7:50051"})
    assert settings.server.grpc_port == 50051
