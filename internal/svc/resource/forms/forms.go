// Package forms turns parts of resources from the form that templates have into
// that of an API, and back, where more than names differ.
//
// Functions only, which leave what they are given as it is; no goroutines, no
// locks. Start reading at Lifecycle.
package forms
