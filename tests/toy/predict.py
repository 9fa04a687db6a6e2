import numpy as np

from seqapps.app import Skip


def requests(params, assets, paths):
    for path in paths:
        for number, line in enumerate(path.read_text().splitlines()):
            run = [float(word) for word in line.split()]
            if not run:
                yield Skip("empty line", f"{path}:{number + 1}")
                continue
            yield number, {"steps": np.array(run, np.float32), "length": np.int64(len(run))}


def render(params, assets, rows, out):
    lines = [f"{number},{float(response['mean'])}" for number, response in rows]
    (out / "means.csv").write_text("\n".join(lines))
    return [out / "means.csv"]


def example_input(row, out):
    return " ".join(map(str, row["steps"]))
