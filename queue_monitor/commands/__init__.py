"""The commands beside `run`: each module does the work of one, or of a pair that belongs together."""
