"""Run folders in, an honest comparison of their schedules out; never torch, never Hydra.

model       what travels between the modules below
load        run folders and sweeps -> runs; foreign event files -> runs
arms        runs -> arms, one per set of runs that differ in the seed alone
statistics  interquartile means, bootstrap intervals, sign-flip tests: pure functions of arrays
study       arms -> the comparison: estimates, contrasts, everything the report says
plots       the figures
report      Markdown, HTML and CSV
"""
