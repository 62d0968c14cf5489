package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxSeconds is how far from 1970 a moment may be, as tokens have it.
const maxSeconds = 1<<53 - 1

// parseMoment reads a moment: how long after now ("10m", "-1h30m", "7d"), a time
// of RFC 3339, or seconds since 1970.
func parseMoment(s string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= -maxSeconds && n <= maxSeconds {
		return time.Unix(n, 0), nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseInt(days, 10, 32); err == nil && n >= -1e5 && n <= 1e5 {
			return now.Add(time.Duration(n) * 24 * time.Hour), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil {
		return now.Add(d), nil
	}
	return time.Time{}, fmt.Errorf("%.60q is not a time: want one such as 10m, 24h or 7d from now, 2026-01-31T12:00:00Z, or seconds since 1970", s)
}

// momentText is t in seconds since 1970, in UTC and as seen from now.
func momentText(t int64, now time.Time) string {
	return fmt.Sprintf("%s (%s)", time.Unix(t, 0).UTC().Format(time.RFC3339), relative(t-now.Unix()))
}

// relative is so many seconds from now in words, to the nearest unit.
func relative(seconds int64) string {
	n := seconds
	if n < 0 {
		n = -n
	}
	unit := "second"
	for _, u := range []struct {
		name string
		size int64
	}{{"day", 24 * 3600}, {"hour", 3600}, {"minute", 60}} {
		if n >= 2*u.size {
			n, unit = (n+u.size/2)/u.size, u.name
			break
		}
	}
	text := count(uint64(n)) + " " + unit
	if n != 1 {
		text += "s"
	}
	switch {
	case seconds == 0:
		return "now"
	case seconds < 0:
		return text + " ago"
	}
	return "in " + text
}
