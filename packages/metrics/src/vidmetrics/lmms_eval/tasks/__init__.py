"""YAML task files, each with the Python file of its functions beside it."""
