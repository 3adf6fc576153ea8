"""Training of the structural network: ``photophore train siamese --config FILE``."""
