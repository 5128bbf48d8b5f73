"""Checks of reliability against real servers, for `make harden`."""
