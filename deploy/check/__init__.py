"""Checks of what is deployed, without a cluster or a container engine."""
