package mtasts

// Refresh does one round of what the keeper does.
func (c *Cache) Refresh() { c.round() }
