"""`python -m benchmarks.live`: live sessions against what they must show."""
