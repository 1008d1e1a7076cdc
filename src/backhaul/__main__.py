"""`python -m backhaul`: the same as the command `backhaul`."""

from backhaul.cli import main

if __name__ == "__main__":
    main()
