"""Options of the annotator `hmmer`: HMMER's reporting thresholds, under the names that HMMER users know."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

#: Cut-offs that a profile may carry, and what pyhmmer calls them.
BIT_CUTOFFS = {"ga": "gathering", "tc": "trusted", "nc": "noise"}
DEFAULT_EVALUE = 1e-3
DEFAULT_DOMAIN_EVALUE = 10.0


@dataclass(frozen=True, slots=True)
class HmmerConfig:
    """Which families and domains are reported; as in HMMER a score threshold replaces the E-value one, a cut-off both.

    The default E-value is not HMMER's 10 but 0.001: weaker pairs are past what the prefilter promises to find.
    """

    evalue: float = field(
        default=DEFAULT_EVALUE,
        metadata={"help": "report families of at most this full-sequence E-value (-E of hmmscan)"},
    )
    dom_evalue: float = field(
        default=DEFAULT_DOMAIN_EVALUE,
        metadata={"help": "report domains of at most this conditional E-value (--domE of hmmscan)"},
    )
    score: float | None = field(
        default=None,
        metadata={"help": "report families of at least so many bits, instead of by E-value (-T of hmmscan)"},
    )
    dom_score: float | None = field(
        default=None,
        metadata={"help": "report domains of at least so many bits, instead of by E-value (--domT of hmmscan)"},
    )
    z: float = field(
        default=0.0,
        metadata={"help": "number of comparisons that E-values count on (-Z of hmmscan); 0 is the number of profiles"},
    )
    cut: str = field(
        default="none",
        metadata={
            "help": "report by the cut-offs in the profiles: gathering, trusted or noise (--cut_ga and so on of hmmscan)",
            "choices": ("none", *BIT_CUTOFFS),
        },
    )
    segment: float = field(
        default=9.0,
        metadata={
            "help": "score only candidates whose best ungapped segment, near the diagonal that the prefilter proposes, has so "
            "many bits more than the log2 of the shorter of protein and profile; 0 asks for none"
        },
    )
    alignment: float = field(
        default=17.0,
        metadata={
            "help": "of these, score those whose best gapped alignment there has so many bits more; 0 asks for none"
        },
    )
    margin: float = field(
        default=10.0,
        metadata={
            "help": "compare those whose Forward score there, less what it owes to composition, is at most so many bits below the "
            "score that is reported, or that would be at E = 0.001 if this is lower; inf asks for none"
        },
    )
    compress: bool = field(
        default=True,
        metadata={"help": "for db build: store profiles compressed, a third of the size but a quarter slower to load"},
    )

    def __post_init__(self) -> None:
        for name in ("evalue", "dom_evalue"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; give a number above 0, such as 0.001")
        for name, most in (("segment", 25), ("alignment", 1000)):
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; give a number of bits of at most {most}, or 0 to ask for none"
                )
        if math.isnan(self.margin):
            raise ValueError("margin is nan; give a number of bits, or inf to ask for none")
        if not 0 <= self.z < float("inf"):
            raise ValueError(f"z is {self.z}; give a number above 0, or 0 for the number of profiles in the database")
        if self.cut not in ("none", *BIT_CUTOFFS):
            raise ValueError(f"cut is {self.cut!r}; choose none, {', '.join(BIT_CUTOFFS)}")
        if self.cut != "none" and (others := self._other_thresholds()):
            raise ValueError(
                f"cut={self.cut} reports by the profiles' own cut-offs and cannot go with {', '.join(others)}; "
                "leave one of the two out"
            )

    def _other_thresholds(self) -> list[str]:
        """Return the thresholds that were set beside the cut-offs, as ``name=value``."""
        given = {
            "evalue": self.evalue if self.evalue != DEFAULT_EVALUE else None,
            "dom_evalue": self.dom_evalue if self.dom_evalue != DEFAULT_DOMAIN_EVALUE else None,
            "score": self.score,
            "dom_score": self.dom_score,
        }
        return [f"{name}={value}" for name, value in given.items() if value is not None]
