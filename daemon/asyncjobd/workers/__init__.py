"""Worker processes, in which isolated handlers run."""
