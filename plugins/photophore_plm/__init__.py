"""Protein language models as encoders: ESM-2."""
