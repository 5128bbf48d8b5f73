"""Endpoints that somebody else runs: Hugging Face's."""
