"""An index for Photophore around USearch: a graph over the vectors, in full or half precision."""
