"""The exchange adapters, pure: bytes in; envelopes, typed rows and subscribe messages out."""
