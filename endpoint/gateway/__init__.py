"""The gateway: engine servers as Transcribers."""
