"""Training of the near encoder: ``photophore train near --config FILE``."""
