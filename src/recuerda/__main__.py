"""Run the command `recuerda` as `python -m recuerda`."""

from recuerda.cli import main

if __name__ == "__main__":
    main()
