"""From a host name and a port to a connected socket, even if some of the name's addresses are dead.

The name lookup and the connection attempts have a timeout each. What follows (TLS, a handshake) is up to the caller, who
reports with `mark_failed` a server that failed after it took the connection, or that answered SERVER_ERROR or above.
"""

from collector.dial.dialling import CONNECT_SECS, LOOKUP_SECS, SERVER_ERROR, dial, mark_failed
from collector.dial.happy_eyeballs import Address, UnreachableError

__all__ = ["CONNECT_SECS", "LOOKUP_SECS", "SERVER_ERROR", "Address", "UnreachableError", "dial", "mark_failed"]
