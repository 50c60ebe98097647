"""Pieces of HTML that the report's sections are made of; texts are escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def card(content: str) -> str:
    """Put HTML into a framed box."""
    return f'<div class="card">{content}</div>'


def tile(name: str, value: str, note: str) -> str:
    """Show one figure."""
    return (
        f'<div class="card tile"><div class="name">{escape(name)}</div>'
        f'<b>{escape(value)}</b><div class="note">{escape(note)}</div></div>'
    )


def cell(content: str, kind: str = "") -> str:
    """Make a table cell of a text."""
    of_kind = f' class="{kind}"' if kind else ""
    return f"<td{of_kind}>{escape(content)}</td>"


def table(head: Iterable[tuple[str, str]], rows: Sequence[str]) -> str:
    """Make a table of ready rows; `head` has (title, class) per column."""
    titles = "".join(
        f'<th scope="col"{f" class={kind!r}" if kind else ""}>{escape(title)}</th>'
        for title, kind in head
    )
    return (
        f'<div class="scroll"><table><thead><tr>{titles}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def definitions(pairs: Iterable[tuple[str, str]]) -> str:
    """Make a list of terms with texts; empty texts are left out."""
    items = "".join(
        f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in pairs if text
    )
    return f"<dl>{items}</dl>"


def group_label(axes: Sequence[str], key: Sequence[str], hidden: set[str]) -> str:
    """Write a group key as HTML, axis names dimmed, without the axes in `hidden`."""
    return " · ".join(
        f"<i>{escape(axis)}</i> {escape(value)}"
        for axis, value in zip(axes, key, strict=True)
        if axis not in hidden
    )
