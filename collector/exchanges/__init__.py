"""Floor 1, pure: what each exchange says and how to ask for it. Bytes in, envelopes and typed rows out."""
