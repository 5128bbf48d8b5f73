"""What vLLM loads into the engine's process."""
