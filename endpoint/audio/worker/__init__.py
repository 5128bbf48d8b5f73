"""What runs in a decoding process."""
