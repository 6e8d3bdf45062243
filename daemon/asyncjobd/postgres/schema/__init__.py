"""The schema: its migrations, and checks that the database has what they make."""
