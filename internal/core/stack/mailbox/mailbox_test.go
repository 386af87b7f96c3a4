package mailbox

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/engine/store/localstore"
)

func open(t *testing.T) *Boxes {
	t.Helper()
	s, err := localstore.Open(localstore.Config{Folder: filepath.Join(t.TempDir(), "store")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	boxes, err := New(s, bytes.Repeat([]byte{1}, 32), clock.System)
	if err != nil {
		t.Fatal(err)
	}
	return boxes
}

func TestLettersArriveOnceAndWakeWhoWaits(t *testing.T) {
	boxes := open(t)
	ctx, box := t.Context(), boxes.Name("token")
	if box != boxes.Name("token") || box == boxes.Name("another") || len(box) != 64 {
		t.Errorf("the name of a box is %s", box)
	}
	if err := boxes.Put(ctx, box, "1", []byte("early")); !errors.Is(err, ErrNoBox) {
		t.Errorf("a letter for no box: %v", err)
	}
	if mark, err := boxes.Open(ctx, box); err != nil || mark != "" {
		t.Errorf("%q, %v", mark, err)
	}
	if err := boxes.Mark(ctx, box, "asked"); err != nil {
		t.Fatal(err)
	}
	if mark, err := boxes.Open(ctx, box); err != nil || mark != "asked" {
		t.Errorf("opened again: %q, %v", mark, err)
	}
	got := make(chan [][]byte)
	go func() { // ends when two letters are there
		letters, err := boxes.Wait(ctx, box, func(letters [][]byte) bool { return len(letters) == 2 })
		if err != nil {
			t.Error(err)
		}
		got <- letters
	}()
	for _, letter := range [][2]string{{"1", "first"}, {"1", "too late"}, {"2", "second"}} {
		if err := boxes.Put(ctx, box, letter[0], []byte(letter[1])); err != nil {
			t.Fatal(err)
		}
	}
	if letters := <-got; string(letters[0]) != "first" || string(letters[1]) != "second" {
		t.Errorf("letters %q", letters)
	}
}

func TestABoxTakesWhatItCan(t *testing.T) {
	boxes := open(t)
	ctx, box := t.Context(), boxes.Name("token")
	if _, err := boxes.Open(ctx, box); err != nil {
		t.Fatal(err)
	}
	if err := boxes.Put(ctx, box, "3", make([]byte, MaxLetterBytes+1)); !errors.Is(err, ErrFull) {
		t.Errorf("a letter that is too large: %v", err)
	}
	if err := boxes.Close(ctx, box); err != nil {
		t.Fatal(err)
	}
	if letters, err := boxes.Letters(ctx, box); err != nil || len(letters) > 0 {
		t.Errorf("after the end: %q, %v", letters, err)
	}
	ended, end := context.WithCancel(ctx)
	end()
	if _, err := boxes.Wait(ended, box, func([][]byte) bool { return false }); err == nil {
		t.Error("waited without an end")
	}
}
