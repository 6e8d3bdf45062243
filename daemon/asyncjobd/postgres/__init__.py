"""PostgreSQL: connections, sessions, statements, and what to do in an outage."""
