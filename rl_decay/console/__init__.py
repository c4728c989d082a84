"""What a person sees of one run on a terminal."""
