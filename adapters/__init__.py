"""Adapters, the way in: one module for each kind of switchboard. README.md here states the contract."""
