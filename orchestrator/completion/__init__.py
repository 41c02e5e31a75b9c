"""Tab-completion of commands, options and names of studies (command)."""
