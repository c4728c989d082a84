"""Hydra at the door: the only room that knows it."""
