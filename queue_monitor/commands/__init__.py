"""The commands beside `run`: each module has one command, or a pair that belongs together."""
