"""What a command asks of its operating system: signals, streams, open files, the terminal and the shell."""
