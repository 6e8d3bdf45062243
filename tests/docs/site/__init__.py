"""The documentation as a site: `python -m tests.docs.site FOLDER` writes it; it needs the extra `docs`."""
