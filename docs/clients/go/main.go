// Embeddings of image files over one stream of the encoder's own contract:
//
//	go run . localhost:50055 ct head CT_small.dcm slice.png
//
// Prints a line of JSON a file: its embedding and checkpoint, or what is wrong with it. The first line of buf.gen.yaml
// generates gen/.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"
	"path/filepath"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	encoder "example.com/encode/gen/medformer/encoder/v1"
)

type line struct {
	File       string    `json:"file"`
	Error      string    `json:"error,omitempty"`
	Checkpoint string    `json:"checkpoint,omitempty"`
	Embedding  []float32 `json:"embedding,omitempty"`
	Notes      []string  `json:"notes,omitempty"`
}

func main() {
	if len(os.Args) < 5 {
		log.Fatal("usage: encode ADDRESS MODALITY BODY_PART FILE...")
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4:]); err != nil {
		log.Fatal(err)
	}
}

func run(address, modality, bodyPart string, files []string) error {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	stream, err := encoder.NewEncoderServiceClient(connection).EncodeStream(context.Background())
	if err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() { sent <- send(stream, modality, bodyPart, files) }()
	if err := receive(stream); err != nil {
		return err
	}
	return <-sent
}

// send waits where the encoder is busy: it reads no further than it has room.
func send(stream encoder.EncoderService_EncodeStreamClient, modality, bodyPart string, files []string) error {
	defer stream.CloseSend()
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		image := &encoder.ImageFile{Name: filepath.Base(file), Content: content}
		request := &encoder.EncodeRequest{
			Image:    &encoder.EncodeRequest_File{File: image},
			Modality: modality,
			BodyPart: bodyPart,
		}
		if err := stream.Send(&encoder.EncodeStreamRequest{Id: file, Request: request}); err != nil {
			return err
		}
	}
	return nil
}

func receive(stream encoder.EncoderService_EncodeStreamClient) error {
	lines := json.NewEncoder(os.Stdout)
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		out := line{File: answer.GetId()}
		if failure := answer.GetError(); failure != nil {
			out.Error = failure.GetMessage()
		} else {
			response := answer.GetResponse()
			out.Checkpoint = response.GetLineage().GetCheckpoint()
			out.Embedding = response.GetEmbedding()
			out.Notes = response.GetNotes()
		}
		if err := lines.Encode(out); err != nil {
			return err
		}
	}
}
