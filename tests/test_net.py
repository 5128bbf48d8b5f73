"""A free port is one that can be taken."""

import socket

from endpoint.net import free_port


def test_the_port_can_be_listened_on() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as server:
        port = server.getsockname()[1]
        assert 1024 <= port <= 65_535
        assert port != free_port()
