"""Noise that depends on seed, vector and repeat alone."""

from __future__ import annotations

import numpy as np
import pytest

from farm.devices.sim_noise import LARGEST_Z, deviates, measured_ns

IDS = [n.to_bytes(16, "big") for n in range(4000)]
REPEATS = np.arange(4000, dtype=np.int32) % 10


def test_the_deviates_are_nearly_standard_normal():
    z = np.concatenate([deviates(seed, IDS, REPEATS) for seed in range(5)])
    assert abs(z.mean()) < 0.03
    assert z.std() == pytest.approx(1, abs=0.02)
    assert np.mean(np.abs(z) < 1) == pytest.approx(0.683, abs=0.02)
    assert np.abs(z).max() < LARGEST_Z


def test_launches_of_one_vector_differ():
    z = deviates(0, [IDS[1]] * 1000, np.arange(1000, dtype=np.int32))
    assert len(np.unique(z)) > 990
    assert abs(np.corrcoef(z[:-1], z[1:])[0, 1]) < 0.1


def test_the_values_are_the_same_for_ever():
    z = deviates(7, [bytes(range(16)), bytes(16)], np.array([0, 3], np.int32))
    assert z.tolist() == [-1.1641998291015625, 0.695068359375]


def test_another_seed_is_another_noise():
    assert np.all(deviates(0, IDS, REPEATS) != deviates(1, IDS, REPEATS))


def test_durations_are_whole_cycles_around_the_truth():
    truth = np.full(4000, 1234.56)
    measured = measured_ns(truth, IDS, REPEATS, 0, 0.01)
    assert np.array_equal(measured, np.rint(measured))
    assert measured.mean() == pytest.approx(1234.56, rel=0.001)
    assert measured.std() == pytest.approx(12.3, rel=0.05)


def test_without_noise_the_truth_is_rounded_to_cycles():
    truth = np.array([0.1, 99.4, 100.6])
    measured = measured_ns(truth, IDS[:3], REPEATS[:3], 0, 0.0)
    assert measured.tolist() == [1, 99, 101]
