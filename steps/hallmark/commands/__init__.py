"""One module a command; `hallmark.command.COMMANDS` is their registry."""
