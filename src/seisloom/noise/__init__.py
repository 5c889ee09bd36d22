"""Ambient noise: records to preprocessed windows, to all-pairs correlations, to stacks."""
