"""Embeddings of image files over one stream of the encoder's own contract.

    python encode.py localhost:50055 ct head CT_small.dcm slice.png

Prints a line of JSON a file: its embedding and checkpoint, or what is wrong with it. The stubs are generated from proto/
when the program starts; a service of yours would generate them once.
"""

import json
import os
import sys
import tempfile

import grpc
from grpc_tools import protoc

PROTO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../proto")

generated = tempfile.mkdtemp()
files = ["medformer/common/v1/common.proto", "medformer/encoder/v1/encoder.proto"]
failed = protoc.main(
    ["protoc", f"-I{PROTO}", f"--python_out={generated}", f"--grpc_python_out={generated}", *files]
)
if failed:
    raise SystemExit(failed)
sys.path.insert(0, generated)

from medformer.encoder.v1 import encoder_pb2, encoder_pb2_grpc  # noqa: E402


def requests(paths, modality, body_part):
    for path in paths:
        with open(path, "rb") as file:
            image = encoder_pb2.ImageFile(name=os.path.basename(path), content=file.read())
        request = encoder_pb2.EncodeRequest(file=image, modality=modality, body_part=body_part)
        yield encoder_pb2.EncodeStreamRequest(id=path, request=request)


def main():
    address, modality, body_part, *paths = sys.argv[1:]
    with grpc.insecure_channel(address) as channel:
        encoder = encoder_pb2_grpc.EncoderServiceStub(channel)
        for answer in encoder.EncodeStream(requests(paths, modality, body_part)):
            if answer.HasField("error"):
                print(json.dumps({"file": answer.id, "error": answer.error.message}))
                continue
            response = answer.response
            print(
                json.dumps(
                    {
                        "file": answer.id,
                        "checkpoint": response.lineage.checkpoint,
                        "embedding": list(response.embedding),
                        "notes": list(response.notes),
                    }
                )
            )


main()
