"""Ports of loopback that are kept for a server until it listens, and while it is away."""

import socket


def keep_port(number: int = 0) -> socket.socket:
    """A socket that is bound to a port (0: any) and never listens; whoever connects there is refused.

    Until it is closed the kernel gives the port to nobody who asks for any; a server that sets SO_REUSEADDR, as servers
    do, may listen there by its number, again and again. Raises OSError if somebody has the port.
    """
    keeper = socket.socket()
    try:
        keeper.bind(("127.0.0.1", number))
    except OSError:
        keeper.close()
        raise
    # Only once it is bound: else two keepers could have the same port.
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return keeper


def port_of(keeper: socket.socket) -> int:
    """Which port it keeps."""
    return int(keeper.getsockname()[1])
