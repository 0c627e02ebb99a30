"""The way in: one file for each kind of switchboard. README.md here states the contract."""
