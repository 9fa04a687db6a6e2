"""Damaged copies of files, for tests that a reader answers each one right or names it.

`MUTATIONS=10000 make test TESTS=tests/apps/asr` tries so many of each file instead of 300.
"""

import gzip
import os
import random

TRIES = int(os.environ.get("MUTATIONS", "300"))
"""How many copies of a file a test tries."""


def mutated(content: bytes, rng: random.Random) -> bytes:
    """The content with one to three changes of any kind."""
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(content) + 1)
        lines = content.split(b"\n")
        row = rng.randrange(len(lines))
        change = rng.randrange(13)
        if change == 0:
            content = content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]
        elif change == 1:
            content = content[:at] + rng.randbytes(rng.randint(1, 4)) + content[at:]
        elif change == 2:
            content = content[:at] + content[at + rng.randint(1, 40) :]
        elif change == 3:
            content = content[:at]
        elif change == 4:
            rng.shuffle(lines)
            content = b"\n".join(lines)
        elif change == 5:
            content = b"\n".join([*lines[:row], lines[row], *lines[row:]])
        elif change == 6:
            encoding = rng.choice(["utf-16", "utf-16-le", "utf-32", "cp1252", "utf-8-sig"])
            content = content.decode("utf-8", "replace").encode(encoding, "replace")
        elif change == 7:
            content = content.replace(b"\n", rng.choice([b"\r\n", b"\r", b"\n\n", b" \n"]))
        elif change == 8:
            content = content[:at] + b"\0" * rng.randint(1, 9) + content[at:]
        elif change == 9:
            content = content[:at] + rng.choice([b"9", b"A", b"\t", b">"]) * 6000 + content[at:]
        elif change == 10:
            content = gzip.compress(content, mtime=0)
        elif change == 11:
            digit = str(rng.randrange(-(10**9), 10**12)).encode()
            cells = lines[row].split(b"\t")
            cells[rng.randrange(len(cells))] = digit
            lines[row] = b"\t".join(cells)
            content = b"\n".join(lines)
        else:
            content = content[:at] + rng.choice(["ß", "²", "１", "\x85", "\u2028"]).encode()
    return content
