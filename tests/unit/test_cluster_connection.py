"""What is said when a cluster cannot be joined."""

from __future__ import annotations

import pytest

from farm.cluster.connection import explained, namespace


def test_other_software_is_named() -> None:
    from ray._private.utils import check_version_info

    theirs = {"ray_version": "2.50.0", "python_version": "3.9.1"}
    with pytest.raises(RuntimeError) as caught:
        check_version_info(theirs, "this process")
    said = explained("10.0.0.5:6379", caught.value)
    assert said.startswith("the cluster at 10.0.0.5:6379 has other software than this host")
    assert "2.50.0" in said
    assert "\n" not in said


def test_a_machine_outside_of_the_cluster_is_told_to_go_there() -> None:
    said = explained("10.0.0.5:6379", ConnectionError("cannot find\n a raylet"))
    assert "cannot find a raylet" in said
    assert "on one of its nodes" in said
    assert "ConnectionError" in explained("a:1", ConnectionError())


def test_two_drivers_of_one_directory_never_meet() -> None:
    names = {namespace("/sweeps/a"), namespace("/sweeps/a"), namespace("/sweeps/b")}
    assert len(names) == 3
    assert len({name.rpartition("-")[0] for name in names}) == 2
