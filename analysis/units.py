"""Numbers as people read them: engineering units, few digits."""

from __future__ import annotations

import math
from datetime import timedelta

_TIME_UNITS = ((1.0, "ns"), (1e3, "µs"), (1e6, "ms"), (1e9, "s"))
_PREFIXES = ((1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T"), (1e15, "P"))


def time_unit(duration_ns: float) -> tuple[float, str]:
    """Choose the unit in which a duration has one to three digits before the point.

    Returns
    -------
    tuple
        Nanoseconds per unit, and the unit's sign.
    """
    fitting = [unit for unit in _TIME_UNITS if abs(duration_ns) >= unit[0]]
    return fitting[-1] if fitting else _TIME_UNITS[0]


def duration_text(duration_ns: float, n_digits: int = 3) -> str:
    """Write a duration such as ``36.6 µs``."""
    scale, unit = time_unit(duration_ns)
    return f"{significant(duration_ns / scale, n_digits)} {unit}"


def significant(value: float, n_digits: int = 3) -> str:
    """Write a number with that many digits, never in exponent form below a million.

    Examples
    --------
    >>> significant(0.9965), significant(36.648), significant(1234.5), significant(-0.0)
    ('0.997', '36.6', '1234', '0')
    """
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e6:
        return f"{value:.{n_digits - 1}e}"
    n_before = math.floor(math.log10(abs(value))) + 1
    return f"{value:.{max(0, n_digits - n_before)}f}"


def prefixed(value: float, n_digits: int = 3) -> str:
    """Write a number with a decimal prefix, such as ``1.05G``; trailing zeros are dropped.

    Examples
    --------
    >>> prefixed(512), prefixed(2.5e6), prefixed(0)
    ('512', '2.5M', '0')
    """
    scale, sign = next(p for p in reversed(_PREFIXES) if abs(value) >= p[0] or p[0] == 1.0)
    text = f"{value / scale:.{n_digits}g}"
    return f"{text}{sign}"


def frequency_text(frequency_hz: float) -> str:
    """Write a frequency.

    Examples
    --------
    >>> frequency_text(1e9), frequency_text(1.35e9), frequency_text(50.0)
    ('1 GHz', '1.35 GHz', '50 Hz')
    """
    text = prefixed(frequency_hz)
    digits = text.rstrip("kMGTP")
    return f"{digits} {text[len(digits) :]}Hz"


def percent(value: float, n_digits: int = 2) -> str:
    """Write a ratio as a percentage.

    Examples
    --------
    >>> percent(0.0333), percent(1.0), percent(0.00002)
    ('3.3 %', '100 %', '0.0020 %')
    """
    return f"{significant(100 * value, n_digits)} %"


def count(value: int) -> str:
    """Write a whole number with thin spaces between the thousands."""
    return f"{value:,}".replace(",", "\u2009")


def time_span(seconds: float) -> str:
    """Write a span of wall time.

    Examples
    --------
    >>> time_span(0.042), time_span(4.21), time_span(75), time_span(150), time_span(7500)
    ('42 ms', '4.2 s', '75 s', '2 min 30 s', '2 h 05 min')
    """
    if 0 < seconds < 0.1:
        return f"{significant(1000 * seconds, 2)} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    whole = timedelta(seconds=round(seconds))
    hours, rest = divmod(whole.seconds // 60, 60)
    hours += 24 * whole.days
    return f"{hours} h {rest:02d} min" if hours else f"{rest} min {whole.seconds % 60:02d} s"
