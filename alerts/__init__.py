"""The way out: what an alert is and how it reaches a person. README.md here says what is built so far."""
