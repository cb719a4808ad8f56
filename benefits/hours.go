package benefits

import (
	"fmt"
	"slices"
	"time"
)

// Hours are when something is open, in the programme's zone. None is always.
type Hours []Opening

// Opening is a stretch of some days of the week, in minutes after midnight: From <= t < Until.
type Opening struct {
	Days        []time.Weekday
	From, Until int
}

// at reports whether it is open at a time, and when that changes; never for what is always open.
func (h Hours) at(t time.Time, zone *time.Location) (open bool, until time.Time) {
	local := t.In(zone)
	for day := range 8 {
		for _, o := range h {
			from, to := o.on(local, day)
			switch {
			case from.Equal(to) || !to.After(t):
			case !from.After(t):
				if !open || to.After(until) {
					open, until = true, to
				}
			case !open && (until.IsZero() || from.Before(until)):
				until = from
			}
		}
	}
	return open || len(h) == 0, until
}

// on is the opening on a day after that of local; nothing when it is not open then.
func (o Opening) on(local time.Time, after int) (from, to time.Time) {
	year, month, day := local.Date()
	midnight := time.Date(year, month, day+after, 0, 0, 0, 0, local.Location())
	if !slices.Contains(o.Days, midnight.Weekday()) {
		return midnight, midnight
	}
	at := func(minutes int) time.Time {
		return time.Date(year, month, day+after, 0, minutes, 0, 0, local.Location())
	}
	return at(o.From), at(o.Until)
}

type openingDocument struct {
	Days  []string `yaml:"days"`
	From  string   `yaml:"from"`
	Until string   `yaml:"until"`
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (d openingDocument) parse() (Opening, error) {
	var o Opening
	for _, day := range d.Days {
		i := slices.Index(weekdays, day)
		if i < 0 {
			return o, fmt.Errorf("days: %q: use %v", day, weekdays)
		}
		o.Days = append(o.Days, time.Weekday(i))
	}
	if len(d.Days) == 0 {
		o.Days = []time.Weekday{0, 1, 2, 3, 4, 5, 6}
	}
	var err error
	if o.From, err = minutes(d.From); err != nil {
		return o, fmt.Errorf("from: %w", err)
	}
	if o.Until, err = minutes(d.Until); err != nil {
		return o, fmt.Errorf("until: %w", err)
	}
	if o.Until <= o.From {
		return o, fmt.Errorf("until: %s is not after %s", d.Until, d.From)
	}
	return o, nil
}

// minutes reads a time of day such as 09:30, and 24:00.
func minutes(text string) (int, error) {
	if text == "24:00" {
		return 24 * 60, nil
	}
	t, err := time.Parse("15:04", text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a time of day such as 09:30", text)
	}
	return t.Hour()*60 + t.Minute(), nil
}
