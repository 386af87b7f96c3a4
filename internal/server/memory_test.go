package server

import (
	"strings"
	"testing"
)

func TestAMemoryBudgetIsASizeOrAShare(t *testing.T) {
	const total = 16 << 30
	for text, want := range map[string]int64{
		"8GiB": 8 << 30, "8g": 8 << 30, "1.5 G": 3 << 29, "512M": 512 << 20, "512mb": 512 << 20, "0.001T": 1 << 40 / 1000,
		"4194304K": 4 << 30, "1073741824": 1 << 30, "1073741824B": 1 << 30, "50%": 8 << 30, "100%": 16 << 30, "12.5%": 2 << 30,
	} {
		if got, err := ParseBudget(text, total); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"lots": "want a size such as 8GiB", "": "want a size", "-1G": "want a size", "1e9": "want a size", "0x10000000": "want a size", "NaN": "want a size", "inf": "want a size",
		"8GiBB": "want a size", "8 G B": "want a size", "8IB": "want a size", "8%G": "want a size", "1.2.3G": "want a size", "GiB": "want a size",
		"0": "at least 256 MiB", "1%": "at least 256 MiB", "100M": "at least 256 MiB", "17G": "this machine has 16.0 GiB", "101%": "this machine has", "99999999999999999999T": "this machine has",
	} {
		if got, err := ParseBudget(text, total); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is %d, %v; want %q", text, got, err, want)
		}
	}
}

func FuzzParseBudget(f *testing.F) {
	for _, text := range []string{"8GiB", "75%", "1.5G", "..", "9999999999999999999999", "%"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		const total = 64 << 30
		if got, err := ParseBudget(text, total); err == nil && (got < leastBudget || got > total) {
			t.Errorf("%q is %d", text, got)
		}
	})
}

func TestTheNumberOfEnvironmentsFollowsTheBudget(t *testing.T) {
	small, err := PlanMemory("256MiB", 0)
	if err != nil || small.Environments != 64 {
		t.Errorf("%+v, %v", small, err)
	}
	own, err := PlanMemory("", 7)
	if err != nil || own.Environments != 7 || own.Budget > own.Total {
		t.Errorf("%+v, %v", own, err)
	}
	for _, n := range []int{-1, 1 << 20} {
		if p, err := PlanMemory("", n); err == nil || !strings.Contains(err.Error(), "environments: want 1 to") {
			t.Errorf("%d environments: %+v, %v", n, p, err)
		}
	}
}
