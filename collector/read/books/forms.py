"""Chooses how books are followed: compiled by numba, with NumPy alone, or in plain Python where neither is installed."""

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from collector.read.books import fates as plain_fates
from collector.read.books import side_loop


class Form(NamedTuple):
    """A way to follow books over columns; both functions do what those of `fates` and `side_loop` say."""

    name: str
    """`numba` or `numpy`."""
    fates: Callable[..., None]
    fill: Callable[..., int]
    knows_depth: bool
    """Whether it follows a book of which only the best levels are kept."""


def fastest(depth: int | None) -> Form | None:
    """The fastest form for a book of a depth (None: all its levels); None if only the plain one is there."""
    return next((form for form in (numba_form(), numpy_form()) if form and (form.knows_depth or not depth)), None)


@cache
def numba_form() -> Form | None:
    """The compiled form; None without numba. It takes a second to load, and at first use some more to compile."""
    numba = _found("numba")
    if numba is None:
        return None
    return Form("numba", _compiled(numba, plain_fates.fates), _compiled(numba, side_loop.fill), knows_depth=True)


@cache
def numpy_form() -> Form | None:
    """The form without a compiler; None without NumPy."""
    if _found("numpy") is None:
        return None
    side_numpy = importlib.import_module("collector.read.books.side_numpy")
    return Form("numpy", side_numpy.fates, side_numpy.fill, knows_depth=False)


def _compiled(numba: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function compiled at its first call, kept for later processes where there is a folder to keep it in."""
    try:
        compiled: Callable[..., Any] = numba.njit(cache=True)(function)
    except RuntimeError:
        # No folder can be written to: it is compiled anew in each process.
        compiled = numba.njit(function)
    return compiled


def _found(package: str) -> Any:
    """The package; None if it is not installed."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        return None
