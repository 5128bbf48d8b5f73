"""Bytes of any container to samples, and samples to windows."""
