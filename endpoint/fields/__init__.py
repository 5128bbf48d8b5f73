"""The fields of requests: their names and aliases, and which are used, ignored or refused, for every route."""
