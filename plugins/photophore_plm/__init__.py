"""Protein language models as encoders: ESM-2 and ProtT5."""
