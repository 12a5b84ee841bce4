//go:build !amd64 || purego

package smtp

const wide = false

func lastClean(p *byte, n int, stuffed uint64, line, last int) int { return last }

func highBlocks(p *byte, n int) bool { panic("smtp: no blocks") }
