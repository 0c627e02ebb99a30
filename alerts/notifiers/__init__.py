"""The ways to people: one file a kind, named in the settings by the file's name."""
