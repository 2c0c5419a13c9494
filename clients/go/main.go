// A network function's way to a genai-xapp node, in Go: an answer as a stream,
// within a deadline, tried again while the node is UNAVAILABLE, and cancelled.
//
//	go run . -target 127.0.0.1:50051 -prompt "What is O-RAN?" -max-tokens 64 -deadline 30s
//	go run . -cancel-after 3        cancel after 3 pieces of text
//	go run . -target dns:///service-ricxapp-genai-xapp-grpc-pods.ricxapp:50051   one of several nodes (pool.go)
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	pb "genai-xapp.internal/clients/go/inference/v1"
)

const (
	maxAttempts = 5
	firstDelay  = 200 * time.Millisecond
	maxDelay    = 5 * time.Second
)

// errEnough ends a stream from our side; returning it cancels the call.
var errEnough = errors.New("enough")

func main() {
	log.SetFlags(0)
	target := flag.String("target", "127.0.0.1:50051", "the node's gRPC address")
	prompt := flag.String("prompt", "What is O-RAN?", "what to ask")
	maxTokens := flag.Int("max-tokens", 64, "most tokens to generate")
	deadline := flag.Duration("deadline", 30*time.Second, "give up after this long, all attempts together")
	cancelAfter := flag.Int("cancel-after", 0, "cancel after this many pieces of text; 0 never does")
	flag.Parse()

	// Ctrl-C cancels the context, the context cancels the call, the node frees the slot.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *deadline)
	defer cancel()

	if err := run(ctx, *target, request(*prompt, *maxTokens), *cancelAfter); err != nil {
		log.Fatalf("%s: %s", status.Code(err), status.Convert(err).Message())
	}
}

func request(prompt string, maxTokens int) *pb.GenerateRequest {
	limit := int32(maxTokens)
	turn := &pb.Message{Role: "user", Content: prompt}
	return &pb.GenerateRequest{
		Input:     &pb.GenerateRequest_Chat{Chat: &pb.Chat{Messages: []*pb.Message{turn}}},
		MaxTokens: &limit,
	}
}

func run(ctx context.Context, target string, req *pb.GenerateRequest, cancelAfter int) error {
	options := append(poolOptions(target), grpc.WithTransportCredentials(insecure.NewCredentials()))
	conn, err := grpc.NewClient(target, options...)
	if err != nil {
		return err
	}
	defer conn.Close()

	pieces := 0
	finished, err := generate(ctx, pb.NewInferenceServiceClient(conn), isPool(target), req, func(text string) error {
		fmt.Print(text)
		pieces++
		if pieces == cancelAfter {
			return errEnough
		}
		return nil
	})
	fmt.Println()
	if errors.Is(err, errEnough) {
		log.Printf("cancelled after %d pieces", pieces)
		return nil
	}
	if err != nil {
		return err
	}
	log.Printf("%s, %d tokens, TTFT %v", finished.GetFinishReason(),
		finished.GetUsage().GetNumCompletionTokens(), finished.GetTiming().GetTimeToFirstToken().AsDuration())
	return nil
}

// generate calls onText with each piece of the answer. UNAVAILABLE is tried
// again as long as no text has come; an error of onText cancels the call. What
// one of several nodes refuses is asked of another at once, and once.
func generate(ctx context.Context, client pb.InferenceServiceClient, inPool bool, req *pb.GenerateRequest,
	onText func(string) error) (*pb.Finished, error) {
	for attempt, moved := 0, !inPool; ; attempt++ {
		begun := false
		finished, err := generateOnce(ctx, client, req, func(text string) error {
			begun = true
			return onText(text)
		})
		if !moved && !begun && ctx.Err() == nil && anotherNodeMay(err) {
			log.Printf("%s: asking another node", status.Convert(err).Message())
			moved, attempt = true, attempt-1
			continue
		}
		if status.Code(err) != codes.Unavailable || begun || attempt+1 == maxAttempts {
			return finished, err
		}
		delay := retryDelay(err, attempt)
		log.Printf("%s: trying again in %v", status.Convert(err).Message(), delay)
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		}
	}
}

func generateOnce(ctx context.Context, client pb.InferenceServiceClient, req *pb.GenerateRequest,
	onText func(string) error) (*pb.Finished, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := client.Generate(ctx, req)
	if err != nil {
		return nil, err
	}
	var finished *pb.Finished
	for {
		event, err := stream.Recv()
		if errors.Is(err, io.EOF) && finished == nil {
			return nil, status.Error(codes.Internal, "the node ended the answer without its last message")
		}
		if errors.Is(err, io.EOF) {
			return finished, nil
		}
		if err != nil {
			return nil, err
		}
		if chunk := event.GetChunk(); chunk != nil {
			if err := onText(chunk.GetText()); err != nil {
				return nil, err
			}
		} else if done := event.GetFinished(); done != nil {
			finished = done
		}
	}
}

// retryDelay is what the server says in RetryInfo, else doubling.
func retryDelay(err error, attempt int) time.Duration {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return min(info.GetRetryDelay().AsDuration(), maxDelay)
		}
	}
	return min(firstDelay<<attempt, maxDelay)
}
