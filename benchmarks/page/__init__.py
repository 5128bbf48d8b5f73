"""The page in a real browser: what it must show, and pictures of it."""
