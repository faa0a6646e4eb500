"""From a name and a port to a connected socket, although some of the name's addresses are dead.

Each stage has a time of its own: looking the name up, and connecting. What comes after (TLS, a handshake) is the
caller's, who says with `pass_over` that the server it came to did not do, or answered SERVER_ERROR or above.
"""

from collector.dial.dialling import CONNECT_SECS, LOOKUP_SECS, SERVER_ERROR, dial, pass_over
from collector.dial.happy_eyeballs import Address, UnreachableError

__all__ = ["CONNECT_SECS", "LOOKUP_SECS", "SERVER_ERROR", "Address", "UnreachableError", "dial", "pass_over"]
