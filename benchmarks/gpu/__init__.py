"""`make gpu`; see __main__.py."""
