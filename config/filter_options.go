package config

// filterOptions returns new options of every filter, by its name.
func filterOptions() map[string]any {
	return map[string]any{}
}
