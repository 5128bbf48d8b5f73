"""make chaos: jobs while workers, servers and stores are killed."""
