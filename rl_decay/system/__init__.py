"""The operating system of a command: signals, streams, open files, the terminal and the shell."""
