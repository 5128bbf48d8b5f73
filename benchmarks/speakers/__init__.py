"""Who spoke when, beside others."""
