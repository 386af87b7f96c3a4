package schedule

import (
	"math/bits"
	"strings"
	"testing"
	"time"
)

func at(t testing.TB, text string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	found, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestExamplesOfAWS has the examples of AWS's page on schedule patterns, and of
// each wildcard.
func TestExamplesOfAWS(t *testing.T) {
	// 2026-11-28 is a Saturday.
	const now = "2026-11-28T06:00:00Z"
	for text, want := range map[string][]string{
		"cron(0 10 * * ? *)":                    {"2026-11-28T10:00:00Z", "2026-11-29T10:00:00Z"},
		"cron(15 12 * * ? *)":                   {"2026-11-28T12:15:00Z"},
		"cron(0 18 ? * MON-FRI *)":              {"2026-11-30T18:00:00Z", "2026-12-01T18:00:00Z"},
		"cron(0 8 1 * ? *)":                     {"2026-12-01T08:00:00Z", "2027-01-01T08:00:00Z"},
		"cron(0/15 * * * ? *)":                  {"2026-11-28T06:15:00Z", "2026-11-28T06:30:00Z"},
		"cron(0/10 * ? * MON-FRI *)":            {"2026-11-30T00:00:00Z", "2026-11-30T00:10:00Z"},
		"cron(0/5 8-17 ? * MON-FRI *)":          {"2026-11-30T08:00:00Z", "2026-11-30T08:05:00Z"},
		"cron(0/30 20-2 ? * MON-FRI *)":         {"2026-11-30T00:00:00Z", "2026-11-30T00:30:00Z", "2026-11-30T01:00:00Z"},
		"cron(15 10 ? * 6L 2022-2027)":          {"2026-12-25T10:15:00Z", "2027-01-29T10:15:00Z"}, // the last Friday: November's was yesterday
		"cron(1/10 6 28 11 ? *)":                {"2026-11-28T06:01:00Z", "2026-11-28T06:11:00Z"},
		"cron(0 0 L * ? *)":                     {"2026-11-30T00:00:00Z", "2026-12-31T00:00:00Z", "2027-01-31T00:00:00Z", "2027-02-28T00:00:00Z"},
		"cron(0 0 LW * ? *)":                    {"2026-11-30T00:00:00Z", "2026-12-31T00:00:00Z", "2027-01-29T00:00:00Z"},
		"cron(0 0 3W * ? *)":                    {"2026-12-03T00:00:00Z", "2027-01-04T00:00:00Z", "2027-02-03T00:00:00Z"}, // 2027-01-03 is a Sunday
		"cron(0 0 1W 5 ? 2027)":                 {"2027-05-03T00:00:00Z"},                                                 // a Saturday; the month is not left
		"cron(0 0 31W 1 ? 2027)":                {"2027-01-29T00:00:00Z"},                                                 // a Sunday
		"cron(0 0 ? * 3#2 *)":                   {"2026-12-08T00:00:00Z", "2027-01-12T00:00:00Z"},
		"cron(0 0 ? * SUN#5 *)":                 {"2026-11-29T00:00:00Z", "2027-01-31T00:00:00Z"},
		"cron(0 0 ? * L *)":                     {"2026-12-05T00:00:00Z"},
		"cron(0 0 ? FEB,apr FRI-SUN *)":         {"2027-02-05T00:00:00Z", "2027-02-06T00:00:00Z", "2027-02-07T00:00:00Z", "2027-02-12T00:00:00Z"},
		"cron(0 0 29 2 ? *)":                    {"2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"},
		"cron(30,0 6-7 28,1W,L 11,12 ? 2026/2)": {"2026-11-28T06:30:00Z", "2026-11-28T07:00:00Z", "2026-11-28T07:30:00Z", "2026-11-30T06:00:00Z"},
		"cron(59 23 31 12 ? 2199)":              {"2199-12-31T23:59:00Z", "never"},
		"cron(0 0 30 2 ? *)":                    {"never"},
		"cron(0 0 1 1 ? 1970-2026)":             {"never"},
		"rate(5 minutes)":                       {"2026-11-28T06:03:00Z", "2026-11-28T06:08:00Z"},
		"rate(1 hour)":                          {"2026-11-28T06:58:00Z"},
		"rate(7 days)":                          {"2026-12-05T05:58:00Z", "2026-12-12T05:58:00Z"},
		"at(2026-11-28T06:00:01)":               {"2026-11-28T06:00:01Z", "never"},
		"at(2026-11-28T06:00:00)":               {"never"},
	} {
		e, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		after := at(t, now)
		for _, due := range want {
			got, found := e.Next(after, at(t, "2026-11-28T05:58:00Z"), time.UTC)
			if due == "never" {
				if found {
					t.Errorf("%s after %s: %s, want never", text, after, got)
				}
				break
			}
			if !found || !got.Equal(at(t, due)) {
				t.Errorf("%s after %s: %s, want %s", text, after.Format(time.RFC3339), got.Format(time.RFC3339), due)
			}
			after = at(t, due)
		}
	}
}

// TestSummerTime has AWS's rules: "When time shifts forward in the Spring, if a
// cron expression falls on a non-existent date and time, your schedule invocation
// is skipped. When time shifts backwards in the Fall, your schedule runs only once
// and does not repeat its invocation." (schedule-types.html)
func TestSummerTime(t *testing.T) {
	for _, test := range []struct{ expression, zone, after, want string }{
		// Forward on 2027-03-14 at 02:00 in New York.
		{"cron(30 2 * * ? *)", "America/New_York", "2027-03-13T12:00:00Z", "2027-03-15T06:30:00Z"},
		{"cron(30 1 * * ? *)", "America/New_York", "2027-03-13T12:00:00Z", "2027-03-14T06:30:00Z"},
		{"cron(0/30 * * * ? *)", "America/New_York", "2027-03-14T06:30:00Z", "2027-03-14T07:00:00Z"}, // 01:30 EST, then 03:00 EDT
		// Back on 2026-11-01 at 02:00 in New York.
		{"cron(30 1 * * ? *)", "America/New_York", "2026-10-31T12:00:00Z", "2026-11-01T05:30:00Z"},
		{"cron(30 1 * * ? *)", "America/New_York", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"},
		{"cron(0/30 * * * ? *)", "America/New_York", "2026-11-01T05:30:00Z", "2026-11-01T07:00:00Z"}, // 01:30 EDT, then 02:00 EST
		// Asked in the hour that comes a second time.
		{"cron(45 1 * * ? *)", "America/New_York", "2026-11-01T06:10:00Z", "2026-11-02T06:45:00Z"},
		// Half an hour, at 02:00 in the other half of the year.
		{"cron(15 2 * * ? *)", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", "2026-10-04T15:15:00Z"},
		{"at(2026-11-01T01:30:00)", "America/New_York", "2026-10-31T12:00:00Z", "2026-11-01T05:30:00Z"},
		{"at(2026-07-01T09:00:00)", "Europe/Berlin", "2026-01-01T00:00:00Z", "2026-07-01T07:00:00Z"},
		{"cron(0 9 ? * MON *)", "Asia/Kolkata", "2026-11-28T00:00:00Z", "2026-11-30T03:30:00Z"},
		{"cron(0 0 1 1 ? *)", "Pacific/Kiritimati", "2026-11-28T00:00:00Z", "2026-12-31T10:00:00Z"},
	} {
		e, err := Parse(test.expression)
		if err != nil {
			t.Fatal(err)
		}
		got, found := e.Next(at(t, test.after), time.Time{}, zone(t, test.zone))
		if !found || !got.Equal(at(t, test.want)) {
			t.Errorf("%s in %s after %s: %s, want %s", test.expression, test.zone, test.after, got.UTC().Format(time.RFC3339), test.want)
		}
	}
}

// TestRateBegins: the first time is the start itself.
func TestRateBegins(t *testing.T) {
	e, err := Parse("rate(1 day)")
	if err != nil {
		t.Fatal(err)
	}
	start := at(t, "2026-12-01T00:00:30Z")
	if got, found := e.Next(at(t, "2026-11-28T00:00:00Z"), start, time.UTC); !found || !got.Equal(start) {
		t.Errorf("before the start: %s", got)
	}
	if got, found := e.Next(start, start, time.UTC); !found || !got.Equal(start.Add(24*time.Hour)) {
		t.Errorf("at the start: %s", got)
	}
}

// TestLastOfADowntime.
func TestLastOfADowntime(t *testing.T) {
	now := at(t, "2026-11-28T06:30:00Z")
	for _, test := range []struct {
		expression, due, want string
		recent                bool
	}{
		{"cron(0 * * * ? *)", "2026-11-28T06:00:00Z", "2026-11-28T06:00:00Z", true},
		{"cron(0 * * * ? *)", "2026-11-28T01:00:00Z", "2026-11-28T06:00:00Z", true},
		{"cron(0 * * * ? *)", "2026-01-01T01:00:00Z", "2026-11-28T06:00:00Z", true},
		{"cron(0 7 27 * ? *)", "2026-01-27T07:00:00Z", "2026-11-27T07:00:00Z", true},
		{"cron(0 6 27 * ? *)", "2026-01-27T06:00:00Z", "2026-01-27T06:00:00Z", false}, // the last one is more than a day ago
		{"at(2026-11-28T03:00:00)", "2026-11-28T03:00:00Z", "2026-11-28T03:00:00Z", true},
		{"at(2026-11-20T03:00:00)", "2026-11-20T03:00:00Z", "2026-11-20T03:00:00Z", false},
		{"rate(1 minute)", "2026-01-01T00:00:00Z", "2026-11-28T06:30:00Z", true},
	} {
		e, err := Parse(test.expression)
		if err != nil {
			t.Fatal(err)
		}
		got, recent := e.Last(at(t, test.due), now, now.Add(-24*time.Hour), at(t, "2025-12-31T00:00:00Z"), time.UTC)
		if !got.Equal(at(t, test.want)) || recent != test.recent {
			t.Errorf("%s from %s: %s %v, want %s %v", test.expression, test.due, got, recent, test.want, test.recent)
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	for _, text := range []string{
		"", "cron", "cron()", "every(1 day)", "0 10 * * ? *", "cron(0 10 * * ? *", "cron(0 10 * * ?)", "cron(0 10 * * ? * *)",
		"cron(0 10 * * * *)", "cron(0 10 ? * ? *)", "cron(0 10 1 * MON *)",
		"cron(60 10 * * ? *)", "cron(0 24 * * ? *)", "cron(0 0 0 * ? *)", "cron(0 0 32 * ? *)", "cron(0 0 1 13 ? *)", "cron(0 0 ? * 8 *)", "cron(0 0 ? * 0 *)",
		"cron(0 0 1 1 ? 1969)", "cron(0 0 1 1 ? 2200)", "cron(-1 0 1 1 ? *)", "cron(a 0 1 1 ? *)", "cron(0/0 0 1 1 ? *)", "cron(0/ 0 1 1 ? *)", "cron(, 0 1 1 ? *)",
		"cron(0 0 20-10 * ? *)", "cron(0 0 1 1 ? 2030-2020)", "cron(0 0 W * ? *)", "cron(0 0 ? * 3#6 *)", "cron(0 0 ? * 3#0 *)", "cron(0 0 ? * 3#1,6#3 *)", "cron(0 0 ? * XL *)",
		"cron(? 0 1 1 ? *)", "cron(0 0 L-3 * ? *)",
		"rate()", "rate(5)", "rate(0 minutes)", "rate(1 minutes)", "rate(5 minute)", "rate(-5 minutes)", "rate(1.5 hours)", "rate(30 seconds)", "rate(5 minutes )x", "rate(99999999999 days)", "rate(2147483647 days)",
		"at()", "at(2026-11-28)", "at(2026-11-28T06:00)", "at(2026-13-28T06:00:00)", "at(2026-02-30T06:00:00)", "at(2026-11-28T06:00:00Z)", "at(2026-11-28T06:00:00.5)",
		"cron(" + strings.Repeat("0,", 200) + "0 0 1 1 ? *)",
	} {
		if e, err := Parse(text); err == nil {
			t.Errorf("%q is taken as %+v", text, e)
		}
	}
}

// TestEveryMinuteOfYears walks through a year of New York's minutes beside the
// clock itself: due is what the clock shows for the first time.
func TestEveryMinuteOfYears(t *testing.T) {
	e, err := Parse("cron(7/13 * ? * * *)")
	if err != nil {
		t.Fatal(err)
	}
	zone := zone(t, "America/New_York")
	now := at(t, "2026-10-20T00:00:00Z")
	seen := map[string]bool{}
	var want []time.Time
	for range 40 * 24 * 60 {
		now = now.Add(time.Minute)
		local := now.In(zone)
		shown := local.Format("2006-01-02 15:04")
		if local.Minute() >= 7 && (local.Minute()-7)%13 == 0 && !seen[shown] {
			seen[shown] = true
			want = append(want, now)
		}
	}
	after := at(t, "2026-10-20T00:00:00Z")
	for _, due := range want {
		got, found := e.Next(after, time.Time{}, zone)
		if !found || !got.Equal(due) {
			t.Fatalf("after %s: %s, want %s", after, got, due)
		}
		after = due
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"cron(0/15 8-17 ? JAN-FEB MON#1 2026)", "cron(0 0 LW,3W,L,1-5/2 * ? *)", "rate(5 minutes)", "at(2026-11-28T06:00:00)"} {
		f.Add(text)
	}
	now := time.Date(2026, 11, 28, 6, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Parse(text)
		if err != nil {
			return
		}
		due, found := e.Next(now, now, time.UTC)
		if !found {
			return
		}
		if !due.After(now) {
			t.Fatalf("%s is due %s after %s", text, due, now)
		}
		if e.Kind() == Cron && (e.cron.minutes&(1<<due.Minute()) == 0 || e.cron.hours&(1<<due.Hour()) == 0 || bits.OnesCount64(e.cron.months) > 12) {
			t.Fatalf("%s is due %s", text, due)
		}
	})
}

func TestUnitsOfAnyNumber(t *testing.T) {
	for _, text := range []string{"rate(1 minutes)", "rate(5 minute)", "rate(1 hour)"} {
		if _, err := ParseAnyNumber(text); err != nil {
			t.Error(err)
		}
	}
	if _, err := ParseAnyNumber("rate(5 weeks)"); err == nil {
		t.Error("there are no weeks")
	}
}
