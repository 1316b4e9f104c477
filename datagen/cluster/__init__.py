"""Dask clusters, local and remote, and their workers."""
