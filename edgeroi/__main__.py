"""``python -m edgeroi`` is the command ``edgeroi``."""

from edgeroi.cli.main import run

if __name__ == "__main__":
    run()
