"""A kill at one step of something that has several."""

from collections.abc import Callable

import pytest


class KilledError(BaseException):
    """Stands for a kill."""


def kill_at(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, *, call: int) -> None:
    """Raise KilledError in place of that call of a function or method, counted from 1."""
    real: Callable[..., object] = getattr(owner, name)
    calls = 0

    def step(*args: object, **kwargs: object) -> object:
        nonlocal calls
        calls += 1
        if calls == call:
            raise KilledError
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, step)
