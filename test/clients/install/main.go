// Command install brings clients and tools into a cache before the tests that use
// them begin: install FOLDER SET... The sets are those of test/clients, "node" with
// what npm installs.
package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/lambkin-dev/lambkin/test/clients"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: install FOLDER SET...")
		os.Exit(2)
	}
	var failed atomic.Bool
	var group sync.WaitGroup
	for _, set := range os.Args[2:] {
		group.Go(func() { // ends when the set is there, or cannot be brought
			if err := install(os.Args[1], clients.Set(set)); err != nil {
				fmt.Fprintf(os.Stderr, "%s: %v\n", set, err)
				failed.Store(true)
			}
		})
	}
	group.Wait()
	if failed.Load() {
		os.Exit(1)
	}
}

func install(cache string, set clients.Set) error {
	// The commands are of no use here: each test has them in a folder of its own.
	folder, err := os.MkdirTemp("", "lambkin-clients-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if set == clients.Node {
		_, err = clients.InstallNode(context.Background(), cache, folder)
	} else {
		_, err = clients.Install(context.Background(), cache, folder, set)
	}
	return err
}
