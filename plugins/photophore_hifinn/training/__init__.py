"""``photophore train hifinn``."""
