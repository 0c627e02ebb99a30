"""Recordings played through the live engine: the recording, the engine, and what is written afterwards."""
