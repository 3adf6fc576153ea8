"""Builds the profile families that come with the package: groups, alignments, profiles, relatives, cut-offs, selection."""
