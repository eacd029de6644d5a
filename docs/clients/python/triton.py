"""The encoder as Triton's own client sees it, over the Open Inference Protocol (KServe v2).

    python triton.py localhost:50055 CT_small.dcm

Prints one line of JSON: what the server and its model say of themselves, embeddings of a batch of pixels in the three data
types that are taken, and the embedding of the file.
"""

import json
import sys

import numpy as np
import tritonclient.grpc as triton

MODEL = "medformer"


def infer(client, tensor, datatype, name="image", **request):
    image = triton.InferInput(name, list(tensor.shape), datatype)
    image.set_data_from_numpy(tensor)
    outputs = [triton.InferRequestedOutput("embedding")]
    return client.infer(MODEL, [image], outputs=outputs, **request)


def main():
    address, path = sys.argv[1:]
    client = triton.InferenceServerClient(address)
    metadata = client.get_model_metadata(MODEL, as_json=True)
    version = metadata["versions"][0]

    pixels = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1), dtype=np.uint8)
    codes = {"modality": "ct", "body_part": "head"}
    answers = {
        "UINT8": infer(client, pixels, "UINT8", parameters=codes, request_id="first", priority=1),
        "UINT16": infer(client, pixels.astype(np.uint16) * 257, "UINT16", parameters=codes),
        "FP32": infer(client, pixels.astype(np.float32) / 255, "FP32", parameters=codes, model_version=version),
    }
    with open(path, "rb") as file:
        files = np.array([file.read()], dtype=np.object_)
    answers["BYTES"] = infer(client, files, "BYTES", name="file", parameters=codes)

    print(
        json.dumps(
            {
                "live": client.is_server_live(),
                "ready": client.is_server_ready(),
                "modelReady": client.is_model_ready(MODEL, version),
                "otherReady": client.is_model_ready("no-such-model"),
                "server": client.get_server_metadata(as_json=True)["name"],
                "metadata": metadata,
                "id": answers["UINT8"].get_response().id,
                "pixels": pixels.flatten().tolist(),
                "embeddings": {datatype: answer.as_numpy("embedding").tolist() for datatype, answer in answers.items()},
            }
        )
    )


main()
