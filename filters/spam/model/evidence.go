package model

import "math"

// Add returns the score with what is known beside the message itself, in
// log-odds: authentication, lists, reputation, rules. Views and Joined stay as
// they are.
func (m *Model) Add(s Score, odds float64) Score {
	if odds == 0 {
		return s
	}
	return m.set(s, odds+m.curve.odds(s.Joined))
}

// Trust returns how much, from 0 to 1, a label counts for a message with a
// score: one that says the opposite of what a trained model is sure of counts
// less.
func (m *Model) Trust(s Score, spam bool) float64 {
	odds := m.curve.odds(s.Joined)
	if spam {
		odds = -odds
	}
	if m.base == nil || odds <= doubtFrom {
		return 1
	}
	return max(doubtMin, math.Exp(doubtFrom-odds))
}

// RuleOdds returns how many log-odds a unit of the rules' weight makes of a
// score.
func (m *Model) RuleOdds(s Score) float64 {
	share, total := m.stack.shares(s.Known)
	return m.curve.slope * s.kept * share[Rules] / total * slopeOf(Rules, s.Views[Rules])
}

// Points returns how far log-odds move a score.
func (m *Model) Points(odds float64) float64 { return SpamScore * odds / m.curve.threshold }

func classOf(score float64) string {
	switch {
	case score >= SpamScore:
		return Spam
	case score >= 0:
		return Unsure
	}
	return Ham
}
