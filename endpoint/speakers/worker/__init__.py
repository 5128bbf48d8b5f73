"""What runs in a diarization process."""
