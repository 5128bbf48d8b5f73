"""The bundled test model and its sample recordings."""
