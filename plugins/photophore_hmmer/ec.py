"""EC numbers in the description of a profile."""

from __future__ import annotations

import re

from photophore.ec import EC_PATTERN

#: ``EC 1.2.3.4``, ``EC:1.2.3.4``, ``[EC:1.2.3.4 2.3.4.-]``, ``(EC 1.2.3.4, EC 2.3.4.5)``.
_LISTS = re.compile(rf"\bEC(?:\s+|\s*[:=]\s*){EC_PATTERN}(?:[\s,;/]+(?:EC\s*[:=]?\s*)?{EC_PATTERN})*")
_NUMBERS = re.compile(EC_PATTERN)


def ec_numbers(description: str) -> tuple[str, ...]:
    """Return the EC numbers that ``description`` names as such, each once, in its order."""
    found = (number for listed in _LISTS.findall(description) for number in _NUMBERS.findall(listed))
    return tuple(dict.fromkeys(found))
