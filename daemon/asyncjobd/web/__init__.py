"""The web page: looks at the jobs and orders what becomes of them, in a process of its own or in another program's."""
