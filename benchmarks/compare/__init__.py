"""This endpoint beside its peers, in one run on one machine, in turns."""
