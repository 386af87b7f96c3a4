// Package cloudcontrolapi is the AWS Cloud Control API as data and types: the structs of its
// shapes, the tables that the codecs read, one Handle function for each
// operation and one constructor for each exception.
//
// Everything but this file is generated from the API model; what AWS checks of a
// request before the service sees it (constraints, required members) is in the
// tables and done by shape.Validate. The tables are never changed and cost
// nothing at start. No goroutines, no locks. Start reading at Model.
package cloudcontrolapi

//go:generate go run github.com/lambkin-dev/lambkin/internal/wire/modelgen -models ../../wire/modelgen/models -api cloudcontrol -package cloudcontrolapi
