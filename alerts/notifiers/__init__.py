"""The notifiers: each file is one kind of channel to people, and the settings name it by its file name."""
