"""The load generator: recordings whose words are known, callers, loops, figures and reports."""
