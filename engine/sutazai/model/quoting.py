"""How messages show a value that somebody wrote: never longer than a line, whatever it is."""

_LONGEST = 60
_MOST_BITS = 256
"""Of a number that is shown in full; Python refuses to write out the largest, and nobody would read them."""


def quoted(value: object) -> str:
    """The value as it is written in quotes, cut in its middle where it is long."""
    if value is None or isinstance(value, bool):
        return "nothing" if value is None else str(value).lower()
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return "a number of more than 77 digits"
    try:
        text = repr(value)
    except ValueError:  # such a number inside of a list or map
        return "a number of more than 4300 digits"
    text = text.encode("ascii" if not text.isprintable() else "utf-8", "backslashreplace").decode()
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]}…{text[-half + 1 :]}"
