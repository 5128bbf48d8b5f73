"""Who spoke when: turns of speakers in a recording."""
