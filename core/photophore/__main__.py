"""``python -m photophore`` is ``photophore``."""

from __future__ import annotations

import sys

from photophore.cli import main

sys.exit(main())
