"""An encoder for Photophore in numpy alone: a vector for each window of residues."""
