"""Every form of what is stored has a number that only rises; a program reads its own and the ones before."""

from collector.domain.errors import NewerDataError


def refuse_newer(what: object, version: int, known: int) -> None:
    """Raises NewerDataError for `what` a newer program wrote."""
    if version > known:
        raise NewerDataError(f"{what} is of version {version}, this program knows {known}: use the newer program")
