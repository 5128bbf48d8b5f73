"""Hypotheses to transcripts, transcripts to bytes."""
