"""A document as plain blocks, and the two ways to write it: one HTML file that needs nothing else, and Markdown.

Text is taken as it is: what looks like markup is shown, never obeyed.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rl_decay.errors import escaped

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 62rem; margin: 0 auto;
  padding: 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0.5rem 0 1rem; }
h2 { font-size: 1.2rem; margin: 2rem 0 0.5rem; border-bottom: 1px solid #ccc; }
ul { padding-left: 1.2rem; }
li { margin: 0.3rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.9rem 0.3rem 0; border-bottom: 1px solid #ddd; }
th { border-bottom-color: #888; }
td:first-child { min-width: 7rem; }
figure { margin: 1rem 0; }
figure img { display: block; max-width: 100%; height: auto; }
figcaption, .note { font-size: 0.9rem; color: #444; }
pre { background: #f4f4f4; padding: 0.6rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
@media print { body { font-size: 11px; max-width: none; padding: 0; } .wide { overflow: visible; }
  figure, tr { break-inside: avoid; } h2 { break-after: avoid; } }
"""
# What the page may load: the style and the pictures that are part of it, and nothing else.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@dataclass(frozen=True)
class Heading:
    """The title of a section."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """A few sentences."""

    text: str


@dataclass(frozen=True)
class Items:
    """A list; each item begins with words in bold, which may be empty."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """Cells of text under a line of headings."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Figure:
    """A PNG picture: its name (of the file beside the Markdown, without .png), its bytes, what it shows."""

    name: str
    png: bytes
    caption: str


@dataclass(frozen=True)
class Code:
    """Lines to type, or to read as they are."""

    lines: tuple[str, ...]


Block = Heading | Paragraph | Items | Table | Figure | Code


def to_html(title: str, blocks: Sequence[Block]) -> str:
    """One HTML page with its style and pictures inside: no scripts, nothing to load."""
    head = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_html(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{_html(title)}</h1>\n"
    )
    return head + "\n".join(_html_block(block) for block in blocks) + "\n</body>\n</html>\n"


def to_markdown(title: str, blocks: Sequence[Block]) -> str:
    """The same as Markdown (GitHub's, with tables); pictures are files beside it."""
    parts = [f"# {_markdown(title)}"]
    parts += [_markdown_block(block) for block in blocks]
    return "\n\n".join(parts) + "\n"


def _html_block(block: Block) -> str:
    match block:
        case Heading(text):
            return f"<h2>{_html(text)}</h2>"
        case Paragraph(text):
            return f"<p>{_html(text)}</p>"
        case Items(rows):
            items = [f"<li>{_html_item(lead, text)}</li>" for lead, text in rows]
            return "\n".join(["<ul>", *items, "</ul>"])
        case Table(head, rows):
            lines = [_html_row("td", row) for row in rows]
            return "\n".join(['<div class="wide"><table>', _html_row("th", head), *lines, "</table></div>"])
        case Figure(_, png, caption):
            data = base64.b64encode(png).decode()
            image = f'<img src="data:image/png;base64,{data}" alt="{_html(caption)}">'
            return f"<figure>{image}<figcaption>{_html(caption)}</figcaption></figure>"
        case Code(lines):
            text = "\n".join(map(_html, lines))
            return f"<pre>{text}</pre>"


def _html_row(cell: str, texts: Sequence[str]) -> str:
    cells = [f"<{cell}>{_unbroken(_html(text))}</{cell}>" for text in texts]
    return f"<tr>{''.join(cells)}</tr>"


def _unbroken(text: str) -> str:
    """Keep an interval in brackets on one line: its spaces become no-break spaces."""
    return re.sub(r"\[[^][]{1,40}\]", lambda match: match[0].replace(" ", "\u00a0"), text)


def _html_item(lead: str, text: str) -> str:
    return f"<b>{_html(lead)}</b>: {_html(text)}" if lead else _html(text)


def _html(text: str) -> str:
    """Every text of the page passes here: a name with markup in it is shown, and runs nothing."""
    return html.escape(escaped(text))


def _markdown_block(block: Block) -> str:
    match block:
        case Heading(text):
            return f"## {_markdown(text)}"
        case Paragraph(text):
            return _markdown(text)
        case Items(rows):
            return "\n".join(_markdown_item(lead, text) for lead, text in rows)
        case Table(head, rows):
            rule = "| " + " | ".join(["---"] * len(head)) + " |"
            lines = [_markdown_row(row) for row in rows]
            return "\n".join([_markdown_row(head), rule, *lines])
        case Figure(name, _, caption):
            return f"![{_markdown(caption)}]({name}.png)\n\n{_markdown(caption)}"
        case Code(lines):
            return _fenced("\n".join(map(escaped, lines)))


def _markdown_item(lead: str, text: str) -> str:
    return f"- **{_markdown(lead)}**: {_markdown(text)}" if lead else f"- {_markdown(text)}"


def _markdown_row(texts: Sequence[str]) -> str:
    return "| " + " | ".join(map(_markdown, texts)) + " |"


def _markdown(text: str) -> str:
    """Text of one line in which nothing is markup."""
    line = escaped(" ".join(text.split()))
    line = re.sub(r"([\\`*\[\]<>#|~$&!])", r"\\\1", line)
    # An underscore within a word is no markup: names such as osc_late stay readable.
    line = re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", line)
    return re.sub(r"^(\d+)?([-+.)])(?=\s)", r"\1\\\2", line)  # the beginning of a list


def _fenced(text: str) -> str:
    """A code block whose fence is longer than any in the text."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"
