"""A self-hosted Whisper endpoint: audio in, text out, through vLLM, behind OpenAI's transcription API."""

__version__ = "0.1.0"
