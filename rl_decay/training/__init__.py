"""Training: collect, update, evaluate, write."""
