"""The same model behind a Python gRPC server: grpc.aio, ONNX Runtime or PyTorch and a batcher with the encoder's rule.

`serve_encoder.py '{"engine": "onnx" | "torch", "descriptors": ..., "threads": ..., "maxBatch": ..., "shape": [...], ...}'`.
Whatever waits when the model is free goes together, up to the largest batch; the model runs in a thread of its own, so
that the next batch is collected meanwhile. Messages are parsed by protobuf's C implementation. Before it serves it shows
that it is the same model: the embedding of the image that it will be asked for.
"""

import asyncio
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from serve import serve

#: As far as embeddings may be from the other side's.
TOLERANCE = 1e-3
METHOD = "/medformer.encoder.v1.EncoderService/Encode"


def messages(path):
    pool = descriptor_pool.DescriptorPool()
    with open(path, "rb") as file:
        for each in descriptor_pb2.FileDescriptorSet.FromString(file.read()).file:
            pool.Add(each)
    of = lambda name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name))  # noqa: E731
    return of("medformer.encoder.v1.EncodeRequest"), of("medformer.encoder.v1.EncodeResponse")


def onnx_model(case):
    """Images [B, ...spatial, C] float32 in [0, 1] -> embeddings [B, D], by ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = case["threads"]
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(case["onnx"], options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images})[0]


def torch_model(case):
    """The same by PyTorch, eager: compiled it takes a graph a size of batch and is no faster on most of them."""
    import torch
    from network import Medformer
    from safetensors.torch import load_file

    torch.set_num_threads(case["threads"])
    spatial = case["shape"][:-1]
    options = {"layout": "contiguous", "attention": "sdpa"}
    model = Medformer(case["model"], {"modalities": 1, "bodyParts": 1}, spatial, options).eval()
    weights = load_file(case["weights"])
    model.names.load({name: value for name, value in weights.items() if name in model.names.loaders})
    mean, std = case["input"]["mean"], case["input"]["std"]

    @torch.inference_mode()
    def embed(images):
        x = (torch.from_numpy(images) - mean) / std
        # The network there is mirrored, for its way of padding.
        x = torch.movedim(x, -1, 1).flip(tuple(range(2, len(spatial) + 2)))
        shared = torch.zeros(len(images), dtype=torch.long)
        return model(x, shared, shared).numpy()

    return embed


def same_model(model, case):
    """How far the embedding of the image to come is from the other side's; more than the tolerance is fatal."""
    image = (np.arange(np.prod(case["shape"])) * 7 % 256).astype(np.float32).reshape(1, *case["shape"]) / 255
    away = float(np.abs(model(image)[0] - np.array(case["reference"])).max())
    if not away <= TOLERANCE:
        raise ValueError(f"embedding: {away} from the other side's: not the same model")
    return away


class Batcher:
    """Collects images while a batch is computed."""

    def __init__(self, model, most):
        self.model, self.most = model, most
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
        return self.model(values.astype(np.float32) / 255)


async def main(case, model, listening):
    request_type, response_type = messages(case["descriptors"])
    batcher = Batcher(model, case["maxBatch"])
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
model = {"onnx": onnx_model, "torch": torch_model}[case["engine"]](case)
away = same_model(model, case)
ready = threading.Event()
ports = []


def listening(port):
    ports.append(port)
    ready.set()


threading.Thread(target=lambda: asyncio.run(main(case, model, listening)), daemon=True).start()
if not ready.wait(120):
    raise TimeoutError("the server did not start")
serve(lambda: None, {"port": ports[0], "difference": away, "grpc": grpc.__version__})
