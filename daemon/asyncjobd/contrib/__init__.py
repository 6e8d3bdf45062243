"""Jobs from what else a program uses: psycopg, SQLAlchemy, Django. Each needs the extra of its name."""
