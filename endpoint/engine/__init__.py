"""One window in, one hypothesis out."""
