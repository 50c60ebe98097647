"""Contract suites for those who extend the farm; never imported at run time."""

import pytest

pytest.register_assert_rewrite("farm.testing.device_contract")
