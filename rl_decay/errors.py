"""The one class of mistakes that belong to the person, not to the program, and words that are safe to print."""

import os
import shlex
from collections.abc import Callable
from typing import Any

LONGEST = 400  # characters of somebody else's text in a message


class UserError(Exception):
    """A mistake of the person: one message that names the key, the value and the way out; shown without a traceback.

    What cannot be printed is escaped, because messages quote names of files, and a name may hold a terminal's commands.
    """

    def __init__(self, message: object):
        super().__init__(escaped(message))


def escaped(text: object) -> str:
    r"""A text on one line: what cannot be printed, line ends and lone surrogates too, is shown as Python escapes it.

    >>> escaped("runs/a\nb\x1b[31m")
    'runs/a\\nb\\x1b[31m'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def one_line(text: object, longest: int = LONGEST) -> str:
    r"""Somebody else's text, fit for a terminal and a report: one line, control characters escaped, bounded length.

    Line ends become spaces; what cannot be printed is shown as Python escapes it, lone surrogates included.

    >>> one_line("no fuel\n\x1b[31mred")
    'no fuel \\x1b[31mred'
    >>> one_line("a" * 500, longest=10)
    'aaaaaaa...'
    """
    try:
        words = str(text)
    except Exception:  # an exception of a task's, say, whose own __str__ fails
        words = f"a {type(text).__name__} without words"
    shown = escaped(" ".join(words.split()))
    return shown if len(shown) <= longest else shown[: longest - 3] + "..."


def error_words(error: BaseException) -> str:
    r"""Type and words of an exception that somebody else's code has raised, as `one_line`.

    >>> error_words(ValueError("no\nfuel"))
    'ValueError: no fuel'
    """
    return one_line(f"{type(error).__name__}: {one_line(error)}")


def shell_word(path: object) -> str:
    r"""A path as a person types it into a shell: quoted if that is needed, as Bash's $'...' if it cannot be printed.

    >>> shell_word("my run"), shell_word("a\nb")
    ("'my run'", "$'a\\nb'")
    """
    text = str(path)
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(map(_shell_character, os.fsencode(text))) + "'"


def _shell_character(byte: int) -> str:
    if byte in b"\\'":
        return "\\" + chr(byte)
    return chr(byte) if 32 <= byte < 127 else "\\n" if byte == 10 else f"\\x{byte:02x}"


def shown(value: Any, form: Callable[[Any], str] = str) -> str:
    """A value for a message, cut where it is long; Python refuses to write a whole number of over 4,300 digits."""
    try:
        return one_line(form(value), longest=80)
    except ValueError:
        return "(a number of thousands of digits)"
