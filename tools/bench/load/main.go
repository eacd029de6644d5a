// Asks an encoder for embeddings over real connections: closed loops of callers, or calls at a rate whatever the answers.
// In Go, because a generator that takes as much of the machine as the server does measures itself.
//
//	load '{"request": "request.bin"}'
//
// speaks the bench's line protocol (see ../serve.mjs). The request is sent as it stands and of an answer only the size of
// its batch is read.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	method      = "/medformer.encoder.v1.EncoderService/Encode"
	connections = 4
	warmUp      = 300 * time.Millisecond
	patience    = 60 * time.Second
	// Of EncodeResponse and its Timing.
	timingField, batchImagesField = 3, 4
)

type given struct {
	Request string `json:"request"`
}

type asked struct {
	Ask  string `json:"ask"`
	With struct {
		Port      int     `json:"port"`
		Callers   int     `json:"callers"`
		Seconds   float64 `json:"seconds"`
		PerSecond float64 `json:"perSecond"`
	} `json:"with"`
}

func main() {
	log.SetFlags(0)
	var settings given
	if err := json.Unmarshal([]byte(os.Args[1]), &settings); err != nil {
		log.Fatal(err)
	}
	request, err := os.ReadFile(settings.Request)
	if err != nil {
		log.Fatal(err)
	}
	say(map[string]any{"ready": map[string]any{}})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var line asked
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			log.Fatal(err)
		}
		answer, err := answerTo(line, request)
		if err != nil {
			say(map[string]any{"error": err.Error()})
			continue
		}
		say(map[string]any{"answer": answer})
	}
}

func answerTo(line asked, request []byte) (*report, error) {
	clients, err := connect(line.With.Port)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, client := range clients {
			client.Close()
		}
	}()
	seconds := time.Duration(line.With.Seconds * float64(time.Second))
	switch line.Ask {
	case "closed":
		return closed(clients, request, line.With.Callers, seconds), nil
	case "open":
		return open(clients, request, line.With.PerSecond, seconds), nil
	default:
		return nil, fmt.Errorf("expected closed or open, found %q", line.Ask)
	}
}

// Callers that each ask for the next embedding when they have one.
func closed(clients []*grpc.ClientConn, request []byte, callers int, seconds time.Duration) *report {
	from := time.Now().Add(warmUp)
	to := from.Add(seconds)
	found := newReport()
	var all sync.WaitGroup
	for at := range callers {
		all.Go(func() {
			for time.Now().Before(to) {
				found.add(ask(clients[at%connections], request), from, to)
			}
		})
	}
	all.Wait()
	return found.finish(seconds)
}

// So many calls a second, however many are under way; goodput counts until the last of them is answered.
func open(clients []*grpc.ClientConn, request []byte, perSecond float64, seconds time.Duration) *report {
	began := time.Now()
	forever := began.Add(24 * time.Hour)
	found := newReport()
	var all sync.WaitGroup
	for time.Since(began) < seconds {
		due := int(time.Since(began).Seconds() * perSecond)
		for ; found.Sent < due; found.Sent++ {
			client := clients[found.Sent%connections]
			all.Go(func() { found.add(ask(client, request), began, forever) })
		}
		time.Sleep(time.Millisecond)
	}
	all.Wait()
	return found.finish(time.Since(began))
}

type answer struct {
	outcome      string
	began, ended time.Time
	batch        float64
}

func ask(client *grpc.ClientConn, request []byte) answer {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	began := time.Now()
	var response []byte
	err := client.Invoke(ctx, method, &request, &response, grpc.ForceCodecV2(asIs{}))
	return answer{status.Code(err).String(), began, time.Now(), batchImages(response)}
}

type report struct {
	Sent      int     `json:"sent,omitempty"`
	PerSecond float64 `json:"perSecond"`
	P50       float64 `json:"p50"`
	P95       float64 `json:"p95"`
	P99       float64 `json:"p99"`
	// Mean size of batch, as an image sees it; 0 from a server that does not say.
	Batch    float64        `json:"batch"`
	Outcomes map[string]int `json:"outcomes"`

	lock    sync.Mutex
	ms      []float64
	batches float64
}

func newReport() *report { return &report{Outcomes: map[string]int{}} }

// Counts what ends between `from` and `to`.
func (found *report) add(one answer, from, to time.Time) {
	found.lock.Lock()
	defer found.lock.Unlock()
	found.Outcomes[one.outcome]++
	if one.outcome != "OK" || one.ended.Before(from) || one.ended.After(to) {
		return
	}
	found.ms = append(found.ms, float64(one.ended.Sub(one.began).Microseconds())/1000)
	found.batches += one.batch
}

func (found *report) finish(seconds time.Duration) *report {
	count := float64(len(found.ms))
	found.PerSecond = count / seconds.Seconds()
	if count == 0 {
		return found
	}
	found.Batch = found.batches / count
	slices.Sort(found.ms)
	at := func(share float64) float64 { return found.ms[int(share*(count-1))] }
	found.P50, found.P95, found.P99 = at(0.5), at(0.95), at(0.99)
	return found
}

func connect(port int) ([]*grpc.ClientConn, error) {
	clients := make([]*grpc.ClientConn, connections)
	for at := range clients {
		client, err := grpc.NewClient(
			fmt.Sprintf("passthrough:///127.0.0.1:%d", port),
			grpc.WithTransportCredentials(insecure.NewCredentials()),
		)
		if err != nil {
			return nil, err
		}
		clients[at] = client
	}
	return clients, nil
}

func batchImages(response []byte) float64 {
	timing, _ := fieldOf(response, timingField)
	_, images := fieldOf(timing, batchImagesField)
	return float64(images)
}

// A field's bytes or its number; the last one, nothing of a message that is none.
func fieldOf(message []byte, wanted protowire.Number) (content []byte, number uint64) {
	for len(message) > 0 {
		field, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return
		}
		message = message[size:]
		if field == wanted && kind == protowire.BytesType {
			content, _ = protowire.ConsumeBytes(message)
		}
		if field == wanted && kind == protowire.VarintType {
			number, _ = protowire.ConsumeVarint(message)
		}
		size = protowire.ConsumeFieldValue(field, kind, message)
		if size < 0 {
			return
		}
		message = message[size:]
	}
	return
}

// Messages as their bytes.
type asIs struct{}

func (asIs) Name() string { return "proto" }

func (asIs) Marshal(message any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*message.(*[]byte))}, nil
}

func (asIs) Unmarshal(data mem.BufferSlice, message any) error {
	*message.(*[]byte) = data.Materialize()
	return nil
}

var _ encoding.CodecV2 = asIs{}

func say(message map[string]any) {
	line, err := json.Marshal(message)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("@bench %s\n", line)
}
