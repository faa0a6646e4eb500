"""Every stored format has a version number that only rises; a program reads its own version and earlier ones."""

from collector.domain.errors import NewerDataError


def refuse_newer(what: object, version: int, known: int) -> None:
    """Raise NewerDataError if `what`, of version `version`, was written by a program newer than version `known`."""
    if version > known:
        raise NewerDataError(f"{what} is of version {version}, this program knows {known}: use the newer program")
