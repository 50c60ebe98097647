"""Numbers as tables and charts of the SoC models show them."""

from __future__ import annotations


def number_text(value: float) -> str:
    """Write a number as on an axis: three digits, thin spaces between thousands.

    Examples
    --------
    >>> number_text(0.25), number_text(65.536), number_text(12345.6).replace("\u2009", " ")
    ('0.25', '65.5', '12 346')
    """
    if abs(value) >= 999.5:
        return f"{value:,.0f}".replace(",", "\u2009")
    return f"{value:.3g}"
