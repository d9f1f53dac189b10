"""`python -m mlilt`."""

from mlilt.cli.main import main

if __name__ == "__main__":
    main()
