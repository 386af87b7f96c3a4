package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// runtimeAPI is the least that drives AWS's own runtime client: any POST is an
// event, which a process takes and answers through the Runtime API.
type runtimeAPI struct {
	calls   chan *runtimeCall
	mu      sync.Mutex
	running map[string]*runtimeCall
	last    int
}

type runtimeCall struct {
	event []byte
	reply chan []byte
}

// serveRuntimeAPI runs awslambdaric behind one address until ctx ends.
func serveRuntimeAPI(ctx context.Context, address, venv string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	var runtimes []*exec.Cmd
	for range floorWorkers {
		cmd := exec.CommandContext(ctx, filepath.Join(venv, "bin/python"), "-m", "awslambdaric", "app.handler")
		cmd.Env = append(os.Environ(), "AWS_LAMBDA_RUNTIME_API="+address, "AWS_LAMBDA_FUNCTION_NAME=bench", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE="+strconv.Itoa(oneVCPU))
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			return err
		}
		runtimes = append(runtimes, cmd)
	}
	api := &runtimeAPI{calls: make(chan *runtimeCall), running: map[string]*runtimeCall{}}
	const prefix = "/2018-06-01/runtime/invocation/"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+prefix+"next", api.next)
	mux.HandleFunc("POST "+prefix+"{id}/response", api.response)
	mux.HandleFunc("POST /{$}", api.invoke)
	server := &http.Server{Handler: mux}
	context.AfterFunc(ctx, func() {
		for _, cmd := range runtimes { // ctx has killed them: none shall complain of a server that is gone
			cmd.Wait()
		}
		server.Close()
	})
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func (a *runtimeAPI) invoke(rw http.ResponseWriter, r *http.Request) {
	event, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, floorBodyBytes))
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	call := &runtimeCall{event, make(chan []byte, 1)}
	select {
	case a.calls <- call:
	case <-r.Context().Done():
		return
	}
	select {
	case reply := <-call.reply:
		rw.Header().Set("Content-Type", "application/json")
		rw.Write(reply)
	case <-r.Context().Done():
	}
}

func (a *runtimeAPI) next(rw http.ResponseWriter, r *http.Request) {
	select {
	case call := <-a.calls:
		a.mu.Lock()
		a.last++
		id := strconv.Itoa(a.last)
		a.running[id] = call
		a.mu.Unlock()
		header := rw.Header()
		header.Set("Lambda-Runtime-Aws-Request-Id", id)
		header.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10))
		header.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:bench")
		rw.Write(call.event)
	case <-r.Context().Done():
	}
}

func (a *runtimeAPI) response(rw http.ResponseWriter, r *http.Request) {
	reply, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, floorBodyBytes))
	a.mu.Lock()
	call := a.running[r.PathValue("id")]
	delete(a.running, r.PathValue("id"))
	a.mu.Unlock()
	if err != nil || call == nil {
		http.Error(rw, "no such invocation", http.StatusBadRequest)
		return
	}
	call.reply <- reply
	rw.WriteHeader(http.StatusAccepted)
}
