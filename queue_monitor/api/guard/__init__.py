"""The guard of the HTTP interface: access by tokens, limits, connections, sign-in."""
