"""The pages for people: wallboard, lead, history, public, documentation, and what they share."""
