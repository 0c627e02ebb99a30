"""The first hour: a few questions, and out of the answers the files of an installation."""
