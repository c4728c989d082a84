"""The one class of mistakes that belong to the person, not to the program, and words that are safe to print."""

LONGEST = 400  # characters of somebody else's text in a message


class UserError(Exception):
    """A mistake of the person: one message that names the key, the value and the way out; shown without a traceback."""


def one_line(text: object, longest: int = LONGEST) -> str:
    r"""Somebody else's text, fit for a terminal and a report: one line, control characters escaped, bounded length.

    Line ends become spaces; what cannot be printed is shown as Python escapes it, lone surrogates included.

    >>> one_line("no fuel\n\x1b[31mred")
    'no fuel \\x1b[31mred'
    >>> one_line("a" * 500, longest=10)
    'aaaaaaa...'
    """
    shown = escaped(" ".join(str(text).split()))
    return shown if len(shown) <= longest else shown[: longest - 3] + "..."


def escaped(text: str) -> str:
    """The same text with everything that cannot be printed as Python escapes it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
