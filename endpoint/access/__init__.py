"""Who may call: keys, what they may do, and where they are kept."""
