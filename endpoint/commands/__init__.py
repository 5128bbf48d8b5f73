"""The command line's subcommands, a module each."""
