import socket
import threading

from perf.big_little.line import line_to


def test_bytes_pass_in_order_with_and_without_a_round_trip() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_echo, args=(server,), daemon=True).start()
        with line_to(server.getsockname()[1]) as (line, address):
            host, _, port = address.rpartition(":")
            with socket.create_connection((host, int(port))) as client:
                for line.rtt_s in (0.0, 0.02, 0.0):
                    client.sendall(b"".join(bytes([each]) * 100 for each in range(50)))
                    assert _read(client, 5000) == b"".join(bytes([each]) * 100 for each in range(50))


def _echo(server: socket.socket) -> None:
    client, _ = server.accept()
    with client:
        while data := client.recv(1000):
            client.sendall(data)


def _read(client: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += client.recv(count - len(data))
    return data
