"""Which groups fit well and which do not."""

from __future__ import annotations

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
