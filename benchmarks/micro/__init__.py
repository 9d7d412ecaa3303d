"""Measurements inside this process: no sockets, CPU time from getrusage."""
