"""Who may call: keys and what they may do; how much they may ask, and what it came to."""
