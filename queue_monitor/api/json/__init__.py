"""The answers for programs: their routes, their shapes, and the same as tables."""
