"""`python -m numaperf`."""

from numaperf.cli import run

if __name__ == "__main__":
    run()
