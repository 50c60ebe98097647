"""A sweep module that needs nothing but Python: suites of their own parameters, and loops."""

from sweep_utils.shapes import edges

TIMEOUT = 15  # longer on a cold cache

parameters = {
    "nightly": {
        "m_size": edges(64, 128),
        "transpose": [False, True],
        "k_size,n_size": [(32, 32), (96, 32)],
        "mode": (mode for mode in ["fast", "1", None]),
    },
    "xfail": {"m_size": [64, 96], "transpose": [True], "index": [1, 2]},
}


def invalidate_vector(test_vector):
    if test_vector["suite_name"] == "nightly" and test_vector["k_size"] > test_vector["m_size"]:
        return True, "K exceeds M"
    return False, None


def run(m_size, transpose, k_size=0, n_size=0, mode=None, index=0, *, device):
    return [(device is not None, f"PCC 1.0 {m_size}"), 1_500_000]
