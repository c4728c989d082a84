"""The run folder, for writers and readers: what a run leaves behind and how it gets there; never torch, never Hydra.

layout   the names of files, columns, tags and statuses
tables   metrics.csv and evaluations.csv
events   TensorBoard's event file
summary  summary.json, fingerprints, versions
lock     one training per folder
durable  bytes on the disk: append, cut, replace
"""
