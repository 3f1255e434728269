"""`python -m recuerda` is the command `recuerda`."""

from recuerda.cli import main

if __name__ == "__main__":
    main()
