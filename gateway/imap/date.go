package imap

import "time"

const months = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"

// Date expects a date, as 1-Feb-1994, quoted or not: midnight in UTC.
func (d *Decoder) Date(out *time.Time) bool {
	quote := d.Take('"')
	start := d.pos
	var day, year uint32
	var month time.Month
	if !d.digits(1, 2, &day) || !d.Byte('-') || !d.month(&month) || !d.Byte('-') || !d.digits(4, 4, &year) {
		return d.Fail("a date")
	}
	if quote && !d.Byte('"') {
		return false
	}
	t := time.Date(int(year), month, int(day), 0, 0, 0, 0, time.UTC)
	if day == 0 || t.Day() != int(day) {
		d.pos = start
		return d.Fail("a day of the calendar")
	}
	*out = t
	return true
}

// DateTime expects a date-time, as "17-Jul-1996 02:44:25 -0700", in quotes.
func (d *Decoder) DateTime(out *time.Time) bool {
	start := d.pos
	var day, year, hour, minute, sec, zone uint32
	var month time.Month
	if !d.Byte('"') {
		return false
	}
	least := 2
	if d.Take(' ') {
		least = 1
	}
	if !d.digits(1, least, &day) || !d.Byte('-') || !d.month(&month) || !d.Byte('-') || !d.digits(4, 4, &year) ||
		!d.SP() || !d.digits(2, 2, &hour) || !d.Byte(':') || !d.digits(2, 2, &minute) || !d.Byte(':') || !d.digits(2, 2, &sec) || !d.SP() {
		return false
	}
	west := d.Take('-')
	if !west && !d.Byte('+') || !d.digits(4, 4, &zone) || !d.Byte('"') {
		return false
	}
	if day == 0 || hour > 23 || minute > 59 || sec > 60 || zone%100 > 59 || zone/100 > 23 {
		d.pos = start
		return d.Fail("a date and time of the calendar")
	}
	offset := int(zone/100*3600 + zone%100*60)
	if west {
		offset = -offset
	}
	t := time.Date(int(year), month, int(day), int(hour), int(minute), int(min(sec, 59)), 0, zoneOf(offset))
	if t.Day() != int(day) {
		d.pos = start
		return d.Fail("a day of the calendar")
	}
	*out = t
	return true
}

// zoneOf returns the zone that is offset seconds east of UTC.
func zoneOf(offset int) *time.Location {
	if offset == 0 {
		return time.UTC
	}
	return time.FixedZone("", offset)
}

// digits expects least to most digits.
func (d *Decoder) digits(least, most int, out *uint32) bool {
	if d.err != nil {
		return false
	}
	start := d.pos
	var n uint32
	for d.pos < len(d.b) && isDigit(d.b[d.pos]) && d.pos-start < most {
		n = n*10 + uint32(d.b[d.pos]-'0')
		d.pos++
	}
	if d.pos-start < least {
		return d.Fail("digits")
	}
	*out = n
	return true
}

func (d *Decoder) month(out *time.Month) bool {
	if d.err != nil || d.pos+3 > len(d.b) {
		return d.Fail("a month")
	}
	for i := 0; i < len(months); i += 3 {
		if equalFold(d.b[d.pos:d.pos+3], months[i:i+3]) {
			d.pos += 3
			*out = time.Month(i/3 + 1)
			return true
		}
	}
	return d.Fail("a month")
}

// AppendDateTime writes t as a date-time, with quotes, in its own zone.
func AppendDateTime(b []byte, t time.Time) []byte {
	return t.AppendFormat(b, `"_2-Jan-2006 15:04:05 -0700"`)
}
