"""From a name and a port to a connected socket, although some of the name's addresses are dead.

Each stage has a time of its own: looking the name up, and connecting. What comes after (TLS, a handshake) is the
caller's, who says with `pass_over` that the server it came to did not do.
"""

from collector.dial.dialling import CONNECT_SECS, LOOKUP_SECS, dial, pass_over
from collector.dial.race import Address, UnreachableError

__all__ = ["CONNECT_SECS", "LOOKUP_SECS", "Address", "UnreachableError", "dial", "pass_over"]
