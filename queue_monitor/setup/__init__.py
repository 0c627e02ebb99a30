"""The first hour: it asks a few questions and writes the files of an installation from the answers."""
