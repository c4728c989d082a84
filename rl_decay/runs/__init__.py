"""The run folder, for writers and readers: what a run leaves behind and how it gets there; never torch, never Hydra.

layout        the names of files, columns, tags and statuses
recorder      what a run in training writes: rows, events, summary
tables        metrics.csv and evaluations.csv
events        TensorBoard's event files (run_events: the one of a run)
summary       summary.json and versions
curve         the evaluations of a run, and the numbers drawn from them
continuation  may a run go on, and how its files are cut back to a checkpoint
lock          one training per run folder (sweep_lock: one launcher per sweep)
durable       bytes on the disk: append, truncate, replace
"""
