"""A trained policy: replay it, film it, use it as a function."""
