"""One module a command that has no room of its own."""
