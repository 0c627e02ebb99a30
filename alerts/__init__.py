"""Alerts and the way out: the rules, an alert's life, and how it reaches a person. README.md here lists the parts."""
