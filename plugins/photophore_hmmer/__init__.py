"""Annotates proteins with HMMER's own numbers: profile HMMs through pyhmmer, on the pairs that a prefilter proposes."""
