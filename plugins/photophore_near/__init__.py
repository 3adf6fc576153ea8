"""NEAR in Photophore: residue embeddings whose nearest neighbours point at homologous profiles (btaf198)."""
