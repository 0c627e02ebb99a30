"""The answers for programs: their routes, their shapes, and the same content as tables."""
