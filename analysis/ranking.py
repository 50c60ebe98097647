"""Order and condense what there is too much of: groups, keys, reasons."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from analysis.models import GroupModel


def ranked(groups: Sequence[GroupModel]) -> list[GroupModel]:
    """Order the groups that have a line: the smallest RRMSE first, equal ones by key."""
    known = [(group.fit.rrmse, group.key, group) for group in groups if group.fit.rrmse is not None]
    return [group for _, _, group in sorted(known, key=lambda item: item[:2])]


def constant_axes(axes: Sequence[str], keys: Sequence[tuple[str, ...]]) -> Mapping[str, str]:
    """Axes on which all groups agree, with their value; none where there is but one group."""
    if len(keys) < 2:
        return {}
    return {
        axis: keys[0][i] for i, axis in enumerate(axes) if all(key[i] == keys[0][i] for key in keys)
    }


_NUMBER = re.compile(r"(\d+(?:\.\d+)?)")


def alike(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Merge texts that differ in their numbers only, the most frequent first.

    Examples
    --------
    >>> alike({"480 of 680 tiles": 3, "512 of 680 tiles": 2, "no card": 1})
    [('… of 680 tiles (2 variants)', 5), ('no card', 1)]
    """
    families: dict[tuple[str, ...], list[tuple[list[str], int]]] = defaultdict(list)
    for text, n in counts.items():
        parts = _NUMBER.split(text)
        families[tuple(parts[::2])].append((parts[1::2], n))
    merged = []
    for words, members in families.items():
        n = sum(k for _, k in members)
        columns = zip(*(numbers for numbers, _ in members), strict=True)
        shown = [column[0] if len(set(column)) == 1 else "…" for column in columns]
        text = words[0] + "".join(a + b for a, b in zip(shown, words[1:], strict=True))
        variants = f" ({len(members)} variants)" if len(members) > 1 else ""
        merged.append((text + variants, n))
    return sorted(merged, key=lambda item: (-item[1], item[0]))
