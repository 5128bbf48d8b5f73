"""Work that outlives its connection: jobs, where they are kept, who works them off, whom they notify."""
