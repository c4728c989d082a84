"""Run folders, and the event files of other programs, as runs to be compared."""
