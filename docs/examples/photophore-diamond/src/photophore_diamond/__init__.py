"""An annotator for Photophore that runs DIAMOND on the candidates of each protein."""
