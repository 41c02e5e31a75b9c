"""What several spaces share; not spaces themselves."""
