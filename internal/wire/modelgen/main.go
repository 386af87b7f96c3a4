// Modelgen writes the packages below internal/api from the AWS API models.
//
// `modelgen -api lambda -package lambdaapi` reads models/lambda.json and writes
// shapes_gen.go (the structs), tables_gen.go (the shape tables) and api_gen.go
// (Model, one Handle… for each operation, one constructor for each exception)
// into the working directory; the api packages call it by go:generate. It needs
// no network and its output depends on nothing but the model.
//
// `modelgen -update lambda,logs,…` renews the models: it downloads the pinned
// release of botocore with pip and commits to models/ what is left of each
// service-2.json without documentation. Only this needs the network. Of an API
// that is large and mostly about something else, -only keeps some operations.
//
// No goroutines, no locks. Start reading at generate.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/wire/modelgen/apimodel"
)

func main() {
	api := flag.String("api", "", "botocore's name of the API")
	name := flag.String("package", "", "name of the Go package")
	out := flag.String("out", ".", "folder of the Go package")
	renew := flag.String("update", "", "comma-separated names of the APIs whose models to renew")
	only := flag.String("only", "", "with -update: a regular expression for the operations that are kept; all by default")
	folder := flag.String("models", "internal/wire/modelgen/models", "folder of the trimmed models")
	cache := flag.String("cache", ".cache/botocore-sdist", "where -update keeps botocore")
	flag.Parse()
	var err error
	if *renew != "" {
		err = update(*cache, *folder, strings.Split(*renew, ","), *only)
	} else {
		err = write(filepath.Join(*folder, *api+".json"), *name, *out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "modelgen:", err)
		os.Exit(1)
	}
}

func write(path, name, folder string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	model, err := apimodel.Parse(data)
	if err != nil {
		return err
	}
	files, err := generate(model, name)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(folder, f.name), f.text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
