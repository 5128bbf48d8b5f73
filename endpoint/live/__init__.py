"""Live sessions: speech to text while one speaks."""
