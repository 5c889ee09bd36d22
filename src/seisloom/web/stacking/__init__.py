"""Correlations of jobs looked at: opened archives, stacks and pictures, each kept as long as it is true."""
