"""What an exported ensemble takes along; nothing here imports the rest of the project."""
