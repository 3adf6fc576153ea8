"""Lets pytest explain the asserts of Photophore's public suites."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("photophore.testing")
