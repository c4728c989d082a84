"""A multirun as populations: which jobs train together, and the processes that train them."""
