"""The run folder, for writers and readers: what a run leaves behind and how it gets there; never torch, never Hydra.

layout              the names of files, columns, tags and statuses
folder              a run folder: the name of a new one, and the run in an existing one

Writing a run:
recorder            what a run in training writes: rows, events, summary
tables              metrics.csv and evaluations.csv
events              TensorBoard's event files (run_events: the one of a run; event_reader: reading them)
summary             summary.json and versions
evaluation_history  the evaluations of a run, and the numbers of summary.json drawn from them
continuation        may a run go on, and how its files are cut back to a checkpoint

Sweeps:
jobs                the job, and jobs.json, the list of a sweep's jobs
sweep_folder        the runs in a sweep's folder
endings             how the runs of a sweep ended

One process per folder:
claim               a folder reserved from before its first file on
lock                one training per run folder (sweep_lock: one launcher per sweep)
flocks              the kernel's locks under all three

The disk:
durable             bytes: append, truncate, replace
files               looking at files that somebody else may have made
json_files          the one reader of JSON files
unwritable          the reason why a folder cannot be written
"""
