"""The command line: one module a command. Parses, calls, prints; no logic, and torch only inside commands."""
