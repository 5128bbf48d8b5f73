"""Bulk and serving on a cluster of Ray that is processes of this machine."""
