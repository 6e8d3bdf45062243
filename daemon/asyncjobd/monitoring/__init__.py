"""What people ask of the jobs, and order: their state, why one waits, what is wrong, and selections of many."""
