"""The configuration: schema, checks, and Hydra at the door."""
