"""The same model behind a Python gRPC server: grpc.aio, ONNX Runtime and a batcher with the encoder's rule.

`serve_encoder.py '{"onnx": ..., "descriptors": ..., "threads": ..., "maxBatch": ..., "shape": [...]}'`. Whatever waits when
the model is free goes together, up to the largest batch; the model runs in a thread of its own, so that the next batch is
collected meanwhile. Messages are parsed by protobuf's C implementation.
"""

import asyncio
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import onnxruntime
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from serve import serve

METHOD = "/medformer.encoder.v1.EncoderService/Encode"


def messages(path):
    pool = descriptor_pool.DescriptorPool()
    with open(path, "rb") as file:
        for each in descriptor_pb2.FileDescriptorSet.FromString(file.read()).file:
            pool.Add(each)
    of = lambda name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name))  # noqa: E731
    return of("medformer.encoder.v1.EncodeRequest"), of("medformer.encoder.v1.EncodeResponse")


class Batcher:
    """Collects images while a batch is computed."""

    def __init__(self, session, most):
        self.session, self.most = session, most
        self.name = session.get_inputs()[0].name
        self.queue = asyncio.Queue()
        self.thread = ThreadPoolExecutor(1)

    async def embed(self, image):
        answer = asyncio.get_running_loop().create_future()
        self.queue.put_nowait((image, answer))
        return await answer

    async def run(self):
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self.queue.get()]
            while len(batch) < self.most and not self.queue.empty():
                batch.append(self.queue.get_nowait())
            values = np.stack([image for image, _ in batch])
            embeddings = await loop.run_in_executor(self.thread, self.compute, values)
            for (_, answer), embedding in zip(batch, embeddings, strict=True):
                answer.set_result(embedding)

    def compute(self, values):
        return self.session.run(None, {self.name: values.astype(np.float32) / 255})[0]


async def main(case, listening):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = case["threads"]
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(case["onnx"], options, providers=["CPUExecutionProvider"])
    request_type, response_type = messages(case["descriptors"])
    batcher = Batcher(session, case["maxBatch"])
    batcher.compute(np.zeros((case["maxBatch"], *case["shape"]), np.uint8))

    async def encode(request, _):
        tensor = request.tensor
        image = np.frombuffer(tensor.data, np.uint8).reshape(tuple(tensor.shape))
        return response_type(embedding=await batcher.embed(image))

    handler = grpc.unary_unary_rpc_method_handler(
        encode,
        request_deserializer=request_type.FromString,
        response_serializer=response_type.SerializeToString,
    )
    _, service, name = METHOD.split("/")
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    listening(port)
    await batcher.run()


case = json.loads(sys.argv[1])
ready = threading.Event()
ports = []


def listening(port):
    ports.append(port)
    ready.set()


threading.Thread(target=lambda: asyncio.run(main(case, listening)), daemon=True).start()
if not ready.wait(120):
    raise TimeoutError("the server did not start")
serve(lambda: None, {"port": ports[0], "onnxruntime": onnxruntime.__version__, "grpc": grpc.__version__})
