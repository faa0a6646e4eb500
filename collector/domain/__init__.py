"""The rules, as pure functions of values. No I/O, no clock, no logging."""
