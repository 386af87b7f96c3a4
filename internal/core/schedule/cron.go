package schedule

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// The years of a cron expression.
const (
	firstYear = 1970
	lastYear  = 2199
)

// cron is the six fields, as sets of bits.
type cron struct {
	minutes, hours, months uint64
	years                  [(lastYear-firstYear)/64 + 1]uint64
	days                   func(month) uint64 // bit n: the nth of the month
}

// month is one of the calendar: its length, and the weekday of its first (0 is
// Sunday).
type month struct{ length, first int }

func monthOf(year, number int) month {
	first := time.Date(year, time.Month(number), 1, 0, 0, 0, 0, time.UTC)
	return month{length: first.AddDate(0, 1, -1).Day(), first: int(first.Weekday())}
}

// weekday is that of a day, 0 is Sunday.
func (m month) weekday(day int) int { return (m.first + day - 1) % 7 }

var (
	monthNames   = names(1, "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
	weekdayNames = names(1, "SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
)

func names(first int, all ...string) map[string]int {
	table := map[string]int{}
	for i, name := range all {
		table[name] = first + i
	}
	return table
}

// field is what one of the fields may hold.
type field struct {
	name        string
	first, last int
	names       map[string]int
}

var (
	minuteField  = field{"minutes", 0, 59, nil}
	hourField    = field{"hours", 0, 23, nil}
	dayField     = field{"day-of-month", 1, 31, nil}
	monthField   = field{"month", 1, 12, monthNames}
	weekdayField = field{"day-of-week", 1, 7, weekdayNames}
	yearField    = field{"year", firstYear, lastYear, nil}
)

func parseCron(text string) (c cron, err error) {
	fields := strings.Fields(text)
	if len(fields) != 6 {
		return c, fmt.Errorf("a cron expression has six fields, this one %d", len(fields))
	}
	var all [6]error
	c.minutes, all[0] = minuteField.set(fields[0])
	c.hours, all[1] = hourField.set(fields[1])
	c.months, all[2] = monthField.set(fields[3])
	all[3] = yearField.each(fields[5], func(year int) { c.years[(year-firstYear)/64] |= 1 << ((year - firstYear) % 64) })
	switch days, weekdays := fields[2], fields[4]; {
	case (days == "?") == (weekdays == "?"):
		all[4] = errors.New("one of day-of-month and day-of-week must be ?, and the other not")
	case weekdays == "?":
		c.days, all[4] = parseDays(days)
	default:
		c.days, all[4] = parseWeekdays(weekdays)
	}
	return c, errors.Join(all[:]...)
}

// value reads one number or name.
func (f *field) value(text string) (int, error) {
	if n, named := f.names[strings.ToUpper(text)]; named {
		return n, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || int(n) < f.first || int(n) > f.last {
		return 0, fmt.Errorf("%s: %q is not within %d-%d", f.name, text, f.first, f.last)
	}
	return int(n), nil
}

// set is each as bits; not for years.
func (f *field) set(text string) (set uint64, err error) {
	err = f.each(text, func(n int) { set |= 1 << n })
	return set, err
}

// each visits the values of a list of "*", "n", "n-m", each perhaps with "/step".
func (f *field) each(text string, visit func(int)) error {
	for part := range strings.SplitSeq(text, ",") {
		values, stepText, stepped := strings.Cut(part, "/")
		step := 1
		if stepped {
			n, err := strconv.ParseUint(stepText, 10, 16)
			if err != nil || n == 0 {
				return fmt.Errorf("%s: the step %q is no positive number", f.name, stepText)
			}
			step = int(n)
		}
		first, last, err := f.bounds(values, stepped)
		if err != nil {
			return err
		}
		if last < first { // FRI-MON
			last += f.last - f.first + 1
		}
		for n := first; n <= last; n += step {
			visit((n-f.first)%(f.last-f.first+1) + f.first)
		}
	}
	return nil
}

// bounds reads "*", "n" or "n-m". With a step a single number begins a range.
func (f *field) bounds(text string, stepped bool) (first, last int, err error) {
	if text == "*" {
		return f.first, f.last, nil
	}
	from, to, ranged := strings.Cut(text, "-")
	if first, err = f.value(from); err != nil {
		return 0, 0, err
	}
	switch {
	case ranged:
		last, err = f.value(to)
	case stepped:
		last = f.last
	default:
		last = first
	}
	if err == nil && last < first && f.names == nil && f.last != 23 && f.last != 59 {
		err = fmt.Errorf("%s: the range %q is empty", f.name, text)
	}
	return first, last, err
}

// parseDays reads day-of-month: L is the last day, nW the weekday nearest to the
// nth within the month, LW the last weekday.
func parseDays(text string) (func(month) uint64, error) {
	var plain uint64
	var special []func(month) uint64
	for part := range strings.SplitSeq(text, ",") {
		upper := strings.ToUpper(part)
		before, nearest := strings.CutSuffix(upper, "W")
		switch {
		case upper == "L":
			special = append(special, func(m month) uint64 { return 1 << m.length })
		case upper == "LW":
			special = append(special, func(m month) uint64 { return m.nearestWeekday(m.length) })
		case nearest:
			day, err := dayField.value(before)
			if err != nil {
				return nil, err
			}
			special = append(special, func(m month) uint64 { return m.nearestWeekday(day) })
		default:
			set, err := dayField.set(part)
			if err != nil {
				return nil, err
			}
			plain |= set
		}
	}
	return joined(plain, special), nil
}

// nearestWeekday is Monday to Friday nearest to a day, in the same month.
func (m month) nearestWeekday(day int) uint64 {
	if day > m.length {
		return 0
	}
	switch m.weekday(day) {
	case 6: // Saturday
		if day == 1 {
			return 1 << 3
		}
		return 1 << (day - 1)
	case 0: // Sunday
		if day == m.length {
			return 1 << (day - 2)
		}
		return 1 << (day + 1)
	}
	return 1 << day
}

// parseWeekdays reads day-of-week: L is Saturday, nL the last n of the month, n#k
// the kth, which stands alone.
func parseWeekdays(text string) (func(month) uint64, error) {
	if name, number, instance := strings.Cut(text, "#"); instance {
		weekday, err := weekdayField.value(name)
		k, notNumber := strconv.ParseUint(number, 10, 8)
		if err == nil && (notNumber != nil || k < 1 || k > 5) {
			err = fmt.Errorf("day-of-week: %q is not within 1-5", number)
		}
		return func(m month) uint64 { return m.instance(weekday-1, int(k)) }, err
	}
	var plain uint64
	var special []func(month) uint64
	for part := range strings.SplitSeq(text, ",") {
		name, last := strings.CutSuffix(strings.ToUpper(part), "L")
		switch {
		case last && name == "":
			plain |= 1 << 7
		case last:
			weekday, err := weekdayField.value(name)
			if err != nil {
				return nil, err
			}
			special = append(special, func(m month) uint64 { return m.last(weekday - 1) })
		default:
			set, err := weekdayField.set(part)
			if err != nil {
				return nil, err
			}
			plain |= set
		}
	}
	return joined(0, append(special, func(m month) (days uint64) {
		for day := 1; day <= m.length; day++ {
			if plain&(1<<(m.weekday(day)+1)) != 0 {
				days |= 1 << day
			}
		}
		return days
	})), nil
}

// instance is the kth of a weekday, if the month has so many.
func (m month) instance(weekday, k int) uint64 {
	day := 1 + (weekday-m.first+7)%7 + 7*(k-1)
	if day > m.length {
		return 0
	}
	return 1 << day
}

func (m month) last(weekday int) uint64 {
	if fifth := m.instance(weekday, 5); fifth != 0 {
		return fifth
	}
	return m.instance(weekday, 4)
}

// joined is all the sets, without days that the month does not have.
func joined(plain uint64, special []func(month) uint64) func(month) uint64 {
	return func(m month) uint64 {
		days := plain & (1<<(m.length+1) - 1)
		for _, set := range special {
			days |= set(m)
		}
		return days
	}
}

// next is the first moment after another whose wall clock matches.
func (c *cron) next(after time.Time, zone *time.Location) (time.Time, bool) {
	local := after.In(zone)
	// A clock that was set back may have shown later times before.
	from := wall{local.Year(), int(local.Month()), local.Day(), local.Hour(), local.Minute(), 0}
	for {
		candidate, found := c.from(from)
		if !found {
			return time.Time{}, false
		}
		if due, exists := candidate.in(zone); exists && due.After(after) {
			return due, true
		}
		from = candidate
		from.minute++ // perhaps 60, which is after 59 and before the next hour
	}
}

// from is the first time that matches and is not before another, by the calendar.
func (c *cron) from(w wall) (wall, bool) {
	same := true // so far as it has been chosen, the time is that of w
	least := func(value, otherwise int) int {
		if same {
			return value
		}
		return otherwise
	}
	for year := max(w.year, firstYear); year <= lastYear; year++ {
		same = year == w.year
		if c.years[(year-firstYear)/64]&(1<<((year-firstYear)%64)) == 0 {
			continue
		}
		for number := next(c.months, least(w.month, 1)); number < 64; number = next(c.months, number+1) {
			same = year == w.year && number == w.month
			days := c.days(monthOf(year, number))
			for day := next(days, least(w.day, 1)); day < 64; day = next(days, day+1) {
				same = year == w.year && number == w.month && day == w.day
				for hour := next(c.hours, least(w.hour, 0)); hour < 64; hour = next(c.hours, hour+1) {
					same = same && hour == w.hour
					if minute := next(c.minutes, least(w.minute, 0)); minute < 64 {
						return wall{year, number, day, hour, minute, 0}, true
					}
				}
			}
		}
	}
	return wall{}, false
}

// next is the first member of a set that is not below n; 64 if there is none.
func next(set uint64, n int) int { return bits.TrailingZeros64(set >> n << n) }
