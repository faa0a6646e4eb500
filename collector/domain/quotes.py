"""Quotes that an env file left around a value: a shell removes them, `docker run --env-file` and others do not."""


def is_quoted(text: str) -> bool:
    """Whether the whole text is enclosed in single or double quotes."""
    text = text.strip()
    return len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
