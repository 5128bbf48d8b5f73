"""What the fields of requests are called, and what becomes of each: one table for every route."""
