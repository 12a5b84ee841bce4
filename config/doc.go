// Package config reads the configuration: one strict YAML file whose every
// mistake is told at once with its place and a hint. What the fields mean
// stands in their comments, from which the reference is generated.
package config
