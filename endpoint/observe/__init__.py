"""What operators see: log lines, metrics, traces, and samples of the accuracy."""
