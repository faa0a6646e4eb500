"""Quotes that an env file left in a value: a shell takes them away, but `docker run --env-file` and others do not."""


def is_quoted(text: str) -> bool:
    """Whether all of it stands in quotes."""
    text = text.strip()
    return len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
