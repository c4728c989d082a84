"""The exception for mistakes of the person (not of the program), and texts that are safe to print."""

import os
import shlex
from collections.abc import Callable
from typing import Any

LONGEST = 400  # characters of foreign text in a message


class UserError(Exception):
    """A mistake of the person: one message that names the key, the value and the way out; shown without a traceback.

    Unprintable characters are escaped: messages quote file names, and a file name may hold control sequences of a
    terminal.
    """

    def __init__(self, message: object):
        super().__init__(escaped(message))


def escaped(text: object) -> str:
    r"""A text on one line: unprintable characters, line ends and lone surrogates are shown as Python escapes.

    >>> escaped("runs/a\nb\x1b[31m")
    'runs/a\\nb\\x1b[31m'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def one_line(text: object, longest: int = LONGEST) -> str:
    r"""Foreign text, safe for a terminal and a report: one line, control characters escaped, bounded length.

    Line ends become spaces; other unprintable characters and lone surrogates are shown as Python escapes.

    >>> one_line("no fuel\n\x1b[31mred")
    'no fuel \\x1b[31mred'
    >>> one_line("a" * 500, longest=10)
    'aaaaaaa...'
    """
    try:
        words = str(text)
    except Exception:  # for example an exception of a task whose own __str__ fails
        words = f"a {type(text).__name__} without words"
    line = escaped(" ".join(words.split()))
    return line if len(line) <= longest else line[: longest - 3] + "..."


def error_words(error: BaseException) -> str:
    r"""Type and message of an exception from foreign code, as `one_line`.

    >>> error_words(ValueError("no\nfuel"))
    'ValueError: no fuel'
    """
    return one_line(f"{type(error).__name__}: {one_line(error)}")


def shell_word(path: object) -> str:
    r"""A path as a person types it into a shell: quoted if necessary, as Bash's $'...' if it has unprintable bytes.

    >>> shell_word("my run"), shell_word("a\nb")
    ("'my run'", "$'a\\nb'")
    """
    text = str(path)
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(map(_shell_character, os.fsencode(text))) + "'"


def _shell_character(byte: int) -> str:
    r"""A byte inside $'...': backslash and quote escaped, unprintable bytes as \n or \xNN."""
    if byte in b"\\'":
        return "\\" + chr(byte)
    if byte == 10:
        return "\\n"
    return chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}"


def shown(value: Any, form: Callable[[Any], str] = str) -> str:
    """A value for a message, cut if it is long."""
    try:
        return one_line(form(value), longest=80)
    except ValueError:  # Python refuses to write a whole number of over 4,300 digits
        return "(a number of thousands of digits)"
