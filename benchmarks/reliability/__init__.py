"""What happens to work that is disturbed: figures for docs/reliability.md. Each module prints one table."""
