"""Many recordings at once, on Ray: `endpoint batch`."""
