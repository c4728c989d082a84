"""Proximal policy optimisation on member-stacked tensors."""
