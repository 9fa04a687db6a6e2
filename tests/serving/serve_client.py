"""Asks a running server over gRPC, from the server's environment: a JSON request on stdin."""

import asyncio
import json
import sys

import numpy as np
from kserve import InferenceGRPCClient, InferInput, InferRequest


async def main() -> None:
    asked = json.load(sys.stdin)
    columns = []
    for given in asked["inputs"]:
        dtype = object if given["datatype"] == "BYTES" else None
        data = np.array(given["data"], dtype)
        if given["datatype"] == "BYTES":
            data = np.array([text.encode("latin-1") for text in given["data"]], object)
        else:
            data = data.astype(
                {"FP32": np.float32, "INT32": np.int32, "INT64": np.int64}[given["datatype"]]
            )
        column = InferInput(given["name"], list(data.shape), given["datatype"])
        column.set_data_from_numpy(data, binary_data=True)
        columns.append(column)
    client = InferenceGRPCClient(asked["address"], verbose=False)
    headers = [("authorization", f"Bearer {asked['token']}")] if asked.get("token") else None
    try:
        request = InferRequest(
            asked["model"], columns, parameters={}, model_version=asked.get("version")
        )
        answer = await client.infer(request, headers=headers)
        found = {}
        for output in answer.outputs:
            values = output.as_numpy()
            found[output.name] = [
                v.decode() if isinstance(v, bytes) else v for v in values.ravel().tolist()
            ]
        print(json.dumps({"outputs": found}))
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
    finally:
        await client.close()


asyncio.run(main())
