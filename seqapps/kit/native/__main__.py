"""Builds the recurrent ops: `python -m seqapps.kit.native`."""

from seqapps.kit import native

if __name__ == "__main__":
    print(native.build())
