"""All that knows Hydra: composing configurations, guarding run folders, launching sweeps."""
