"""The configuration: schema and checks."""
