"""How many engines hold which latency: a simulation of measured engines under recorded traffic."""
