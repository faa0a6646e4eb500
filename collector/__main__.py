"""`python -m collector`, where the command is not installed."""

from collector.cli import console

if __name__ == "__main__":
    console()
