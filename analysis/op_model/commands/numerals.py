"""How errors are written."""

from __future__ import annotations


def percent(value: float) -> str:
    """Write a percentage to four digits, so that the errors of good and bad models can be told.

    Examples
    --------
    >>> percent(0.00125), percent(6.1144), percent(325.98)
    ('0.00125 %', '6.114 %', '326 %')
    """
    return f"{value:.4g} %" if value < 999.5 else f"{value:,.0f} %"
