"""Who may do what, and how much of it: access by tokens, limits, connections, sign-in."""
