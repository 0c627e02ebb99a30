"""Alembic's: how the tables came to be, one revision after another. Run by `database.Database.migrate`."""
