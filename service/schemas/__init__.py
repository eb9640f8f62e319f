"""What the API takes and gives; descriptions and docstrings of the models are what its users read."""
