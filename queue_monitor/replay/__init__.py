"""Plays recordings through the live engine: the recording, the engine, and the files written afterwards."""
