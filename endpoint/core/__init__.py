"""Audio bytes to settled segments, whatever the engine and the entry point."""
