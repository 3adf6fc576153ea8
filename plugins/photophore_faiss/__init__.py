"""Nearest-neighbour indexes of Photophore, by faiss: inner product over unit vectors."""
