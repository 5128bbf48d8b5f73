"""What a language model does with transcripts, on another server."""
