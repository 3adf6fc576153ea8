"""Lets pytest explain the asserts of the public suites."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("photophore.testing")
